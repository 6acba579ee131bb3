"""What the witness asks to see a fault in a Service's path: the Service itself, and the same pods past the proxy."""

from chaos.injectors.in_path import PathState
from chaos.model.dose import Route


def route_to(state: PathState) -> Route:
    return _route(state, state.service)


def control_route(state: PathState) -> Route:
    """The twin: the same pods past the proxy. It must stay healthy, or the fault hits more than it says."""
    return _route(state, state.twin)


def _route(state: PathState, host: str) -> Route:
    tls_name = state.service if state.scheme == "https" else ""
    return Route(name=host, host=host, port=state.port, scheme=state.scheme, path=state.path, server_name=tls_name)
