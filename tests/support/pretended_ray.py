"""What `harness.pipeline.on_ray` uses of Ray, in this process and one task at a time; workers can be lost."""

from types import SimpleNamespace


class RayError(Exception):
    pass


class RayTaskError(RayError):
    def __init__(self, cause):
        super().__init__(f"a traceback\n{cause}")
        self.cause = cause


class WorkerCrashedError(RayError):
    pass


class Task:
    def __init__(self, function, arguments, asked):
        self.function, self.arguments, self.asked = function, arguments, asked


class PretendedRay:
    """A cluster of some nodes, by name: (processors, bytes of memory). `lost` says how often tasks of a label are."""

    def __init__(self, **nodes):
        self.sizes, self.lost, self.asked, self._node = nodes, {}, [], ""
        self.exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)
        strategies = SimpleNamespace(NodeAffinitySchedulingStrategy=lambda node, soft: node)
        self.util = SimpleNamespace(scheduling_strategies=strategies)

    def is_initialized(self):
        return True

    def nodes(self):
        return [
            {"NodeID": name, "Alive": True, "Resources": {"CPU": float(cpus), "memory": float(memory)}}
            for name, (cpus, memory) in self.sizes.items()
        ]

    def get_runtime_context(self):
        return SimpleNamespace(get_node_id=lambda: self._node)

    def remote(self, function):
        def options(**asked):
            return SimpleNamespace(remote=lambda *arguments: Task(function, arguments, asked))

        return SimpleNamespace(options=options)

    def wait(self, tasks, num_returns, timeout):
        return tasks[:num_returns], tasks[num_returns:]

    def get(self, task):
        arguments, asked = task.arguments, task.asked
        self._node = asked.get("scheduling_strategy", next(iter(self.sizes)))
        labels = [stage.label for stage in arguments[0]] if arguments else []
        self.asked.append((labels, asked))
        for label in labels:
            if self.lost.get(label, 0):
                self.lost[label] -= 1
                raise WorkerCrashedError("the worker died")
        try:
            return task.function(*arguments)
        except Exception as error:
            raise RayTaskError(error) from error
