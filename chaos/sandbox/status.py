"""Refusals, worded and coded as a real API server words them."""

from typing import Any

from chaos.sandbox.kinds import Resource


class Refusal(Exception):
    """The request is answered with a Kubernetes `Status` of this code and reason."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.code, self.reason, self.message, self.details = code, reason, message, details
        self.headers = headers or {}
        super().__init__(message)

    def body(self) -> dict[str, Any]:
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
        }
        if self.details is not None:
            status["details"] = self.details
        return status | {"code": self.code}


def details(resource: Resource, name: str, kind: str = "", **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name}
    if resource.group:
        found["group"] = resource.group
    return found | {"kind": kind or resource.plural} | more


def not_found(resource: Resource, name: str) -> Refusal:
    return Refusal(404, "NotFound", f'{resource.full_name} "{name}" not found', details=details(resource, name))


def no_such_resource() -> Refusal:
    return Refusal(404, "NotFound", "the server could not find the requested resource", details={})


def already_exists(resource: Resource, name: str) -> Refusal:
    return Refusal(409, "AlreadyExists", f'{resource.full_name} "{name}" already exists', details=details(resource, name))


def conflict(resource: Resource, name: str, why: str = "") -> Refusal:
    why = why or "the object has been modified; please apply your changes to the latest version and try again"
    message = f'Operation cannot be fulfilled on {resource.full_name} "{name}": {why}'
    return Refusal(409, "Conflict", message, details=details(resource, name))


def bad_request(message: str) -> Refusal:
    return Refusal(400, "BadRequest", message)


def forbidden(resource: Resource, name: str, why: str) -> Refusal:
    message = f'{resource.full_name} "{name}" is forbidden: {why}'
    return Refusal(403, "Forbidden", message, details=details(resource, name))


def method_not_allowed() -> Refusal:
    return Refusal(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", details={})


def invalid(resource: Resource, name: str, *causes: tuple[str, str]) -> Refusal:
    """422 for (field, what is wrong with it) pairs."""
    listed = [f"{field}: {text}" for field, text in causes]
    text = listed[0] if len(listed) == 1 else f"[{', '.join(listed)}]"
    reasons = {"Required": "FieldValueRequired", "Unsupported": "FieldValueNotSupported", "Forbidden": "FieldValueForbidden"}
    rows = [
        {"reason": reasons.get(text.split()[0].rstrip(":"), "FieldValueInvalid"), "message": text, "field": field}
        for field, text in causes
    ]
    message = f'{resource.full_kind} "{name}" is invalid: {text}'
    return Refusal(422, "Invalid", message, details=details(resource, name, resource.kind, causes=rows))
