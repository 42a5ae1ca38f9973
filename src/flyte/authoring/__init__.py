"""The verbs that users write pipelines with: environments, tasks, groups, maps, contexts.

Nothing in here converts a value, speaks to a backend or runs a task: a running task's controller does that,
behind the port in `controller.py`. Importing this package loads neither protobuf nor asyncio.
"""
