"""Refusals of the API, as Kubernetes says them."""

from typing import Any


class ApiProblem(Exception):
    """An HTTP status with its Kubernetes reason."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason

    def status(self) -> dict[str, Any]:
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": str(self),
            "reason": self.reason,
            "code": self.code,
        }


def not_found(plural: str, name: str) -> ApiProblem:
    return ApiProblem(404, "NotFound", f'{plural} "{name}" not found')


def conflict(plural: str, name: str, why: str) -> ApiProblem:
    return ApiProblem(409, "Conflict", f'Operation cannot be fulfilled on {plural} "{name}": {why}')


def invalid(why: str) -> ApiProblem:
    return ApiProblem(422, "Invalid", why)


def bad_request(why: str) -> ApiProblem:
    return ApiProblem(400, "BadRequest", why)
