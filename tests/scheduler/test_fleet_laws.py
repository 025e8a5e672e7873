"""Laws of the fleet that hold whatever people, workers, clouds and logs do."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from events import (
    AccountId,
    MachineId,
    TaskCancelled,
    TaskFailed,
    TaskId,
)
from services.scheduler.fleet import state as fleets
from services.scheduler.fleet.outcome import MachineGone, MachineReady, MachineUnavailable, conclude
from services.scheduler.fleet.plan import (
    Abandon,
    Destroy,
    Request,
    Resume,
    ServeReader,
    plan,
    wake_at,
)
from tests.scheduler.history import FINISHED, INSTRUCTED, NOON, POLICY, SUBMITTED, Book, later, left

FAILED = TaskFailed(reason="x", detail="", remedy="")
TASKS = [TaskId("task_one"), TaskId("task_two"), TaskId("task_three")]
TIGHT = fleets.replace(POLICY, tasks_at_once=2, tasks_per_account=2, refusals=3)

people = st.sampled_from([INSTRUCTED, TaskCancelled()])
ways = (
    "obtain, obtain, obtain, refuse, obtain and lose the fact, work, work, finish, fail, die, "
    "fall silent, leave"
)
luck = st.sampled_from(ways.split(", "))


class World:
    """A Machines API, workers and a clock, moved by one stroke of luck at a time."""

    def __init__(self):
        self.book = Book()
        self.seconds = 0.0
        self.running = {}  # machine id -> (task, attempt)
        self.names = {}  # live machine name -> id
        self.made = 0

    def now(self):
        return later(self.seconds)

    def plan(self):
        return plan(self.book.fleet, self.now(), TIGHT)

    def add(self, task, *facts, by=""):
        self.book.add(*facts, task=task, account=AccountId("acc_home"), at=self.now(), by=by)

    def conclude(self, task, outcome):
        self.add(task, *conclude(outcome, self.book.fleet.tasks[task], self.now(), TIGHT))

    def perform(self, decision, stroke):
        task = decision.history.task
        match decision:
            case Request(fact=fact):
                assert not any(t == task for t, _ in self.running.values()), "two live attempts"
                self.add(task, fact)
                self.obtain(task, self.book.fleet.tasks[task].attempt, stroke)
            case Resume(attempt=attempt):
                self.obtain(task, attempt, stroke)
            case Destroy(attempt=attempt, cause=cause):
                machine = attempt.machine or self.names.get(attempt.name, "")
                self.end(machine)
                self.conclude(task, MachineGone(attempt.number, cause, MachineId(machine), 1.0, ""))
            case Abandon(fact=fact):
                self.add(task, fact)
            case ServeReader(attempt=attempt, reader=reader):
                self.book.fleet = fleets.record_reader(self.book.fleet, task, attempt, reader)

    def obtain(self, task, attempt, stroke):
        if stroke == "refuse" and attempt.name not in self.names:
            self.conclude(task, MachineUnavailable(attempt.number, "no_capacity", ""))
            return
        if attempt.name not in self.names:
            self.made += 1
            self.names[attempt.name] = f"m{self.made}"
            self.running[f"m{self.made}"] = (task, attempt.number)
        if stroke != "obtain and lose the fact":
            machine = self.names[attempt.name]
            self.conclude(task, MachineReady(attempt.number, MachineId(machine), "iad", 1.0))

    def end(self, machine):
        self.running.pop(machine, None)
        self.names = {n: m for n, m in self.names.items() if m != machine}

    def live(self, stroke):
        """Let one running worker do something."""
        for machine, (task, attempt) in list(self.running.items())[:1]:
            state = self.book.fleet.tasks[task]
            match stroke:
                case "finish" if state.is_open:
                    self.add(task, FINISHED, by=f"worker:{attempt}")
                case "fail" if state.is_open:
                    self.add(task, FAILED, by=f"worker:{attempt}")
                case "leave":
                    self.add(task, left(attempt))
                case "die":
                    self.end(machine)
                    self.book.fleet = fleets.record_machine_gone(self.book.fleet, task, attempt)
                case "fall silent":
                    self.seconds += TIGHT.start_seconds
                case _:
                    self.book.fleet = fleets.record_heartbeat(
                        self.book.fleet, task, attempt, at=self.now(), reader=2
                    )

    def step(self, stroke):
        decisions = self.plan()
        assert self.plan() == decisions, "asking again says the same"
        assert max(Counter(d.history.task for d in decisions).values(), default=0) <= 1
        for decision in decisions[:1]:
            self.perform(decision, stroke)
        self.live(stroke)
        assert len(self.running) <= TIGHT.tasks_at_once
        self.seconds += 1


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(st.sampled_from(TASKS), st.none() | people, luck), max_size=60))
def test_one_machine_an_attempt_and_an_end_to_everything(strokes):
    world = World()
    for task in TASKS:
        world.add(task, SUBMITTED)
    for task, word, stroke in strokes:
        if word is not None:
            world.add(task, word)
        world.step(stroke)
    for _ in range(500):  # from here on all goes as it should
        if not world.book.fleet.active:
            break
        woken = wake_at(world.book.fleet, world.now(), TIGHT)
        decisions = world.plan()
        for decision in decisions:
            world.perform(decision, "obtain")
        for task, attempt in list(world.running.values()):
            if world.book.fleet.tasks[task].is_open:
                world.add(task, FINISHED, by=f"worker:{attempt}")
        if not decisions and woken is not None:
            world.seconds = (woken - NOON).total_seconds()
    assert world.book.fleet.active == frozenset()
    assert world.plan() == []
    assert world.running == {}


@given(st.lists(luck, max_size=30))
def test_attempts_are_numbered_without_a_gap(strokes):
    world = World()
    world.add(TASKS[0], SUBMITTED)
    numbers = []
    for stroke in strokes:
        requests = [d.fact.attempt for d in world.plan() if isinstance(d, Request)]
        numbers += [n for n in requests if n not in numbers]
        world.step(stroke)
    assert numbers == list(range(1, len(numbers) + 1))


@given(st.lists(luck, max_size=40))
def test_a_scheduler_that_starts_over_plans_what_the_first_one_planned(strokes):
    """All that decides is in the log; beats, sightings and postponements only hurry."""
    world = World()
    facts = []
    add = world.book.add

    def remember(*added, **place):
        facts.extend((fact, place) for fact in added)
        return add(*added, **place)

    world.book.add = remember
    world.add(TASKS[0], SUBMITTED)
    for stroke in strokes:
        world.step(stroke)
    rebuilt = Book()
    for fact, place in facts:
        rebuilt.add(fact, **place)
    assert rebuilt.fleet.active == world.book.fleet.active
    for task in rebuilt.fleet.tasks.values():
        assert task.stage is world.book.fleet.tasks[task.id].stage
