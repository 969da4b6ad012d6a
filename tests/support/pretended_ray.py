"""What the Ray executor uses of Ray, in this process and one task at a time; workers can be lost."""

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
    def __init__(self, function, arguments, asked, actor=None):
        self.function, self.arguments, self.asked, self.actor = function, arguments, asked, actor


class Actor:
    """Made when it is first asked something, which may be never: a cluster may have no place for it."""

    def __init__(self, kind, arguments, asked):
        self.kind, self.arguments, self.asked, self.alive, self.owed = kind, arguments, asked, True, 0
        self._made = None

    def __getattr__(self, name):
        return SimpleNamespace(remote=lambda *arguments: self._ask(name, arguments))

    def _ask(self, name, arguments):
        self.owed += 1
        return Task(lambda *given: getattr(self.made(), name)(*given), arguments, self.asked, self)

    def made(self):
        self._made = self._made or self.kind(*self.arguments)
        return self._made

    def end(self):
        if self._made is not None:
            self._made._maker.workers.close()
        self.alive, self._made = False, None


class PretendedRay:
    """A cluster of some nodes, by name: (processors, bytes of memory).

    `lost` says how often tasks of a label are; a lost actor's beginning has the label "actor". `full` is asked whether
    an actor's place is taken by others. `most` is how many actors there were at a time.
    """

    def __init__(self, **nodes):
        self.sizes, self.lost, self.asked, self._node = nodes, {}, [], ""
        self.actors, self.most, self.full = [], 0, lambda actor: False
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
        return SimpleNamespace(get_node_id=lambda: self._node, gcs_address="pretended")

    def remote(self, function):
        def options(**asked):
            made = self._actor if isinstance(function, type) else Task
            return SimpleNamespace(remote=lambda *arguments: made(function, arguments, asked))

        return SimpleNamespace(options=options)

    def _actor(self, *given):
        self.actors.append(Actor(*given))
        self.most = max(self.most, sum(actor.alive for actor in self.actors))
        return self.actors[-1]

    def kill(self, actor):
        actor.end()

    def wait(self, tasks, num_returns, timeout):
        assert all(actor.owed for actor in self.actors if actor.alive), "an idle actor keeps what others wait for"
        able = [task for task in tasks if task.actor is None or not self.full(task.actor)]
        assert able, "nothing can go on"
        return able[:num_returns], [task for task in tasks if task not in able[:num_returns]]

    def get(self, task):
        arguments, asked, actor = task.arguments, task.asked, task.actor
        self._node = asked.get("scheduling_strategy", next(iter(self.sizes)))
        labels = [stage.label for stage in arguments[0]] if arguments else ["actor"] if actor else []
        self.asked.append((labels, asked))
        if actor is not None:
            actor.owed -= 1
        for label in labels:
            if self.lost.get(label, 0):
                self.lost[label] -= 1
                if actor is not None:
                    actor.end()
                raise WorkerCrashedError("the worker died")
        try:
            return task.function(*arguments)
        except Exception as error:
            raise RayTaskError(error) from error
