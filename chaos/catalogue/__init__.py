"""Finds scenarios, experiments and services by file or id, and resolves each into a story with everything it refers to."""

from chaos.catalogue.library import Kind, Library, ids, shipped
from chaos.catalogue.stories import check, load_stories, load_story

__all__ = ["Kind", "Library", "check", "ids", "load_stories", "load_story", "shipped"]
