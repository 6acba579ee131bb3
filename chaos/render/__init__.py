"""Journal, verdict, findings and roadmap items in; text for people and machines out. Opens no file, prints nothing."""
