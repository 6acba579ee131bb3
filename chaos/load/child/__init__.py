"""What runs inside the Locust child; the only modules that import locust and gevent."""
