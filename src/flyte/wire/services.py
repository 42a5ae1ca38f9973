"""The services that exist on the wire, built from the descriptors of the IDL.

A row knows the path, the message classes and whether the answer is a stream. Client and server use the same rows.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

MODULES = {
    "ActionsService": "flyteidl2.actions.actions_service_pb2",
    "AuthMetadataService": "flyteidl2.auth.auth_service_pb2",
    "ClusterService": "flyteidl2.cluster.service_pb2",
    "DataProxyService": "flyteidl2.dataproxy.dataproxy_service_pb2",
    "IdentityService": "flyteidl2.auth.identity_pb2",
    "ProjectService": "flyteidl2.project.project_service_pb2",
    "RunService": "flyteidl2.workflow.run_service_pb2",
    "SystemService": "flyte.wire.gen.flyte.backend.v1.system_pb2",
    "TaskService": "flyteidl2.task.task_service_pb2",
}
"""Short name of a service → module of its descriptor."""


@dataclass(frozen=True, slots=True)
class Method:
    """One RPC.

    Args:
        path: `/package.Service/Method`.
        streams: True when the answer is a stream of `response` messages.
    """

    service: str
    name: str
    path: str
    request: type[Any]
    response: type[Any]
    streams: bool


@lru_cache(maxsize=64)
def methods(service: str) -> dict[str, Method]:
    """The methods of a service by name.

    Raises:
        KeyError: There is no such service.
    """
    from google.protobuf import message_factory

    module = importlib.import_module(MODULES[service])
    descriptor = module.DESCRIPTOR.services_by_name[service]
    return {
        m.name: Method(
            service=service,
            name=m.name,
            path=f"/{descriptor.full_name}/{m.name}",
            request=message_factory.GetMessageClass(m.input_type),
            response=message_factory.GetMessageClass(m.output_type),
            streams=m.server_streaming,
        )
        for m in descriptor.methods
        if not m.client_streaming
    }


def method(service: str, name: str) -> Method:
    """One method.

    Raises:
        KeyError: There is no such service or method.
    """
    return methods(service)[name]
