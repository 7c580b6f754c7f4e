"""A day of it: cycles, mails, what their readers do, repeated and late deliveries, opt-outs, dead letters; and a log of what was seen.

The log is of what passed on the wire (mails taken, claims committed, opt-outs answered, postbacks told), never of what the engine says.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from urllib.parse import urlencode

from botocore.awsrequest import AWSPreparedRequest

from benchmarks.chaos_monkey import CLAIM, Monkey, Plan, claimant
from benchmarks.chaos_scene import ORG, START, Scene
from revenue_engine import ids
from revenue_engine.aws import names
from revenue_engine.clock import epoch_seconds
from workbench.local.backend import body_of
from workbench.local.plane import Plane
from workbench.local.ses_recorder import Mail
from workbench.simulation import events
from workbench.simulation.behaviour import HOME_IP
from workbench.simulation.mail import ONE_CLICK, ONE_CLICK_HEADERS, Received, open_mail
from workbench.simulation.recount import scan

DELIVERED, CLICKED, BOUGHT = 0.4, 0.08, 0.3  # of mails, of mails, of clicks
BOUNCED, COMPLAINED = 0.004, 0.0005
TWICE = 0.05  # of events and postbacks
SENDS_AGAIN = 0.2  # of messages of planned sends: once more, up to LATE later
LATE = timedelta(hours=3)
OPT_OUTS_A_MINUTE = 3
SETTLED = timedelta(hours=75)
_AGENT = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 Version/17.4 Mobile/15E148 Safari/604.1"


@dataclass
class Seen:
    """What passed on the wire. Numbers of `claims`, `opt_outs` and `mails` are moments of one order."""

    moment: int = 0
    mails: list[tuple[int, Mail]] = field(default_factory=list)
    claims: dict[str, int] = field(default_factory=dict)  # send → when its last claim was committed
    opt_outs: dict[str, int] = field(default_factory=dict)  # subscriber → when the first one was committed or answered
    planned: set[str] = field(default_factory=set)  # sends that lay in the queue
    posted_micros: dict[str, int] = field(default_factory=dict)  # transaction → its payout
    not_2xx: int = 0
    world: Counter[str] = field(default_factory=Counter)  # each event told, once
    dead_letters: int = 0

    def now(self) -> int:
        self.moment += 1
        return self.moment


class Play:
    """One scene, played to its end. Nothing here asks the engine what it did."""

    def __init__(self, plane: Plane, scene: Scene, plan: Plan, *, seed: int) -> None:
        self.plane, self.scene, self.seen = plane, scene, Seen()
        self.chance = random.Random(f"world {seed}")
        self.monkey = Monkey(plane, random.Random(f"monkey {seed}"), plan, self.opt_out, scene.subscriber_of)
        self._due_to_be_mailed: list[str] = []
        self.due = _due(plane, scene)
        self._sends_url = scene.w.value(names.SENDS_QUEUE_URL)
        self._resending = False
        self._post: dict[datetime, list[events.Event]] = {}
        plane.ses.subscribers.append(self._taken)
        plane.wire.watch(CLAIM, self._committed)
        plane.wire.watch("sqs.SendMessageBatch", self._queued)
        plane.wire.watch("dynamodb.UpdateItem", self._left)

    def days(self, number: int, hours: float, progress: Callable[[float], None]) -> None:
        """Days of so many hours of cycles each, with the nights skipped; then calm, until every send's fate is settled."""
        for day in range(number):
            begin = START + day * timedelta(days=1)
            if begin > self.plane.clock.now():
                self._skip_to(begin)
            minutes = round(hours * 60)
            for minute in range(minutes):
                self.plane.at(begin + timedelta(minutes=minute, seconds=15), self._people_leave)
            for minute in range(1, minutes + 1):
                self.plane.run_until(begin + timedelta(minutes=minute))
                progress((day + minute / minutes) / number)
            self._redrive()
        self.monkey.calm = True
        self.scene.w.parameters.put(names.autonomy_parameter(self.plane.stage, ORG), "off")
        self._settle()

    # --- the world ------------------------------------------------------------------------------------------------------------
    def opt_out(self, subscriber: str) -> None:
        """By the link of some older mail."""
        token = ids.unsubscribe_token(self.scene.tracking_key, org=ORG, subscriber=subscriber, send_id="a" * ids.ID_LENGTH)
        answer = self.plane.http("POST", f"/u/{ORG}/{token}", ONE_CLICK_HEADERS, ONE_CLICK)
        if answer.status == 200:
            self.seen.opt_outs.setdefault(subscriber, self.seen.now())
            self.seen.world["opt-outs"] += 1
        else:
            self.seen.not_2xx += 1

    def _people_leave(self) -> None:
        """A few of those whose mail lies in the queue."""
        for _ in range(min(OPT_OUTS_A_MINUTE, len(self._due_to_be_mailed))):
            self.opt_out(self.chance.choice(self._due_to_be_mailed))

    def _taken(self, mail: Mail) -> None:
        self.seen.mails.append((self.seen.now(), mail))
        received, luck = open_mail(mail), self.chance.random()
        self._tell("send", events.send(received), self._soon(60))
        if luck < BOUNCED:
            at = self._soon(300)
            self._tell("bounces", events.bounce(received, at, permanent=True, feedback_id=mail.message_id), at)
            return
        if luck < BOUNCED + COMPLAINED:
            at = self._soon(7_200)
            self._tell("complaints", events.complaint(received, at, feedback_id=mail.message_id), at)
        if self.chance.random() < DELIVERED:
            at = self._soon(300)
            self._tell("delivered", events.delivery(received, at), at)
        if self.chance.random() < CLICKED:
            at = self._soon(3_600) + timedelta(minutes=6)
            self._tell("human_clicks", events.clicked(received, at, agent=_AGENT, ip=HOME_IP), at)
            if self.chance.random() < BOUGHT:
                self._buys(received, at + timedelta(minutes=10))

    def _buys(self, mail: Received, at: datetime) -> None:
        transaction = f"{self.chance.getrandbits(128):032x}"
        payout = self.chance.randrange(5, 200)
        query = {
            "kind": "conversion", "transaction_id": transaction, "payout": str(payout), "offer_id": mail.offer,
            "sub1": mail.tracking_id, "sub2": "", "event_id": "0", "event_name": "Base", "sale_amount": "",
        }  # fmt: skip

        def post() -> None:
            status = self.plane.http("GET", f"{self.scene.postback_path}?{urlencode(query)}", {"user-agent": "Everflow"}).status
            if status // 100 == 2:
                self.seen.posted_micros[transaction] = payout * 1_000_000
            else:
                self.seen.not_2xx += 1

        for when in self._moments(at):
            self.plane.at(when, post)

    def _tell(self, kind: str, event: events.Event, at: datetime) -> None:
        self.seen.world[kind] += 1
        for when in self._moments(at):
            post = self._post.setdefault(minute := when.replace(second=0, microsecond=0) + timedelta(minutes=1), [])
            if not post:
                self.plane.at(minute, partial(self._publish, minute))
            post.append(event)

    def _publish(self, minute: datetime) -> None:
        """A minute's events, in any order."""
        post = self._post.pop(minute)
        self.chance.shuffle(post)
        self.plane.ses.publish_events(post)

    def _moments(self, at: datetime) -> list[datetime]:
        """When something is told: once, sometimes late, sometimes twice."""
        found = [at]
        if self.chance.random() < TWICE:
            found.append(at + LATE * self.chance.random())
        return found

    def _soon(self, seconds: float) -> datetime:
        return self.plane.clock.now() + timedelta(seconds=1 + seconds * self.chance.random())

    # --- the wire -------------------------------------------------------------------------------------------------------------
    def _committed(self, request: AWSPreparedRequest) -> None:
        body = body_of(request)
        if b"CLAIMED" not in body:
            return
        transaction = json.loads(body)
        if claimant(transaction) is not None:
            for action in transaction["TransactItems"]:
                item = action.get("Put", {}).get("Item", {})
                if item.get("state", {}).get("S") == "CLAIMED":
                    self.seen.claims[item["pk"]["S"]] = self.seen.now()

    def _left(self, request: AWSPreparedRequest) -> None:
        """Whatever told it (a post, a complaint, a bounce), consent is withdrawn from here on."""
        body = body_of(request)
        if b'"withdrawn"' in body:
            self.seen.opt_outs.setdefault(json.loads(body)["Key"]["pk"]["S"].partition("#")[2], self.seen.now())

    def _queued(self, request: AWSPreparedRequest) -> None:
        """Planned sends are remembered, and now and then delivered once more."""
        asked = json.loads(body_of(request))
        if asked["QueueUrl"] != self._sends_url or self._resending:
            return
        for entry in asked["Entries"]:
            columns = json.loads(entry["MessageBody"])["columns"]
            self.seen.planned.update(columns["send_id"])
            self._due_to_be_mailed = columns["subscriber"] + self._due_to_be_mailed[:20_000]
            if not self.monkey.calm and self.chance.random() < SENDS_AGAIN:
                delay = timedelta(seconds=entry.get("DelaySeconds", 0)) + LATE * self.chance.random()
                self.plane.at(self.plane.clock.now() + delay, partial(self._again, entry["MessageBody"]))

    def _again(self, body: str) -> None:
        self._resending = True
        self.plane.client("sqs").send_message_batch(QueueUrl=self._sends_url, Entries=[{"Id": "0", "MessageBody": body}])
        self._resending = False
        self.monkey.faults["message again"] += 1

    # --- the operator ---------------------------------------------------------------------------------------------------------
    def _redrive(self) -> None:
        """An alarm told of dead letters: they go back into their queues, with whatever killed them gone."""
        sqs = self.plane.client("sqs")
        by_name = {queue.name: queue for queue in self.plane.deployment.queues}
        for source in self.plane.deployment.event_sources:
            policy = sqs.get_queue_attributes(QueueUrl=source.queue_url, AttributeNames=["RedrivePolicy"])["Attributes"]
            dead = by_name[json.loads(policy["RedrivePolicy"])["deadLetterTargetArn"].rsplit(":", 1)[1]]
            while found := sqs.receive_message(QueueUrl=dead.url, MaxNumberOfMessages=10, WaitTimeSeconds=0).get("Messages", []):
                entries = [{"Id": str(n), "MessageBody": message["Body"]} for n, message in enumerate(found)]
                self._resending = True
                sqs.send_message_batch(QueueUrl=source.queue_url, Entries=entries)
                self._resending = False
                done = [{"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]} for n, message in enumerate(found)]
                sqs.delete_message_batch(QueueUrl=dead.url, Entries=done)
                self.seen.dead_letters += len(found)

    def _skip_to(self, moment: datetime) -> None:
        """A night: queues are emptied as their messages become visible, schedules rest."""
        while (due := self.plane.pump.next_due()) is not None and due < moment:
            self.plane.clock.move_to(max(due, self.plane.clock.now()))
            self.plane.pump.drain()
        self.plane.clock.move_to(moment)

    def _settle(self) -> None:
        """Late events come, then the judge's hourly sweep makes an end of what nobody can know (P2)."""
        self.plane.run_until(self.plane.clock.now() + LATE + timedelta(minutes=30))
        self._redrive()
        until = self.plane.clock.now() + SETTLED
        hour = self.plane.clock.now().replace(minute=0, second=0, microsecond=0)
        while hour < until:
            hour += timedelta(hours=1)
            self._skip_to(hour)
            self.plane.pump.drain()
            self.plane.invoke("safety", {"org": ORG, "action": "judge"})
        self._redrive()
        self.plane.pump.drain()


def _due(plane: Plane, scene: Scene) -> int:
    """How many people the table's raw items say are due, before anything has begun."""
    items = scan(plane.client("dynamodb"), scene.w.value(names.SUBSCRIBERS_TABLE))
    return sum(item["next_decision_at"] <= epoch_seconds(plane.clock.now()) for item in items)
