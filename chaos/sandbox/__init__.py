"""The embedded stand-in cluster: a process of its own that speaks enough of the Kubernetes API over loopback.

Nothing imports it but the command line and tests, and it imports nothing of the rest but `chaos.errors`. Where it differs
from a real cluster it is wrong. It knows that it differs here, and refuses what it cannot do rather than ignore it:

- Pods are processes of this machine: no isolation, no resource limits, no `exec`, no init containers, no volumes but
  ConfigMap, Secret and emptyDir; a container's command is never executed, its image is looked up in a closed table.
- Policies hold for connections through Services; what dials a pod's address directly is not held up.
- There is no DNS: names of Services in the environment are resolved when a pod starts, so a Service keeps its address
  for as long as the sandbox lives, even when it is deleted and made anew. NodePorts are not opened; ports begin at 1024.
- One slice holds all endpoints of a Service; a field that is not in the schema is kept, not refused; UDP is not served.
- What a real cluster does within a second or so (garbage collection, disruption counts) happens here within milliseconds.
"""
