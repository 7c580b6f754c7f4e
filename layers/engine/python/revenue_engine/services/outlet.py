"""What may leave to one mailbox provider: the account's rate and quota, the org's velocity, and what the provider is used to of us."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from revenue_engine.aws import names
from revenue_engine.aws.mailer import Account
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import day_in, epoch_seconds
from revenue_engine.errors import Refused
from revenue_engine.records.controls import Controls
from revenue_engine.services.pace import in_force
from revenue_engine.services.warm_up import allowances, counter_of

ACCOUNT_REFUSALS = ("provider_account_stopped", "provider_account_unreadable")  # nobody can be mailed until a person looks
AT_ONCE = 25  # of the day's allowance a message takes so many, and puts back what it did not use
SLOWEST = 8.0  # times the usual pause between two mails
SHARE_OF_RATE = 0.9  # the account's other senders, and clocks that differ
_KEEP_DAYS, _KEEP_MINUTE_DAYS = 30, 1


class Outlet:
    """Of one message, whose sends all go to `provider`."""

    def __init__(
        self,
        w: Wiring,
        org: str,
        controls: Controls,
        *,
        provider: str,
        now: Callable[[], datetime],
    ) -> None:
        self._w, self._org, self._controls, self._provider = w, org, controls, provider
        self._now = now
        self._day = day_in(now(), controls.zone)
        self._account: Account | None = None
        self._sent = 0  # since the account was read
        self._last: datetime | None = None
        self._in_hand = 0
        self._allowance: int | None = None
        self._minute = ""  # the counter of what is in hand of it
        self._of_minute = 0
        self._velocity: int | None = None
        self._slower = 1.0

    def refusal(self) -> str | None:
        """Why nothing may leave now, or None."""
        try:
            account = self._w.mailer.account(now=self._now())
        except Refused as refused:
            return refused.reason
        if account is not self._account:
            self._account, self._sent = account, 0
        if account.stopped or account.sends_per_second <= 0:
            return "provider_account_stopped"
        # other workers send at the same time, and the account knows of none of these yet
        if account.sent_last_day + names.MAIL_WORKERS * self._sent >= account.sends_per_day:
            return "provider_daily_quota"
        return None if self._in_hand or self._take() else "provider_warm_up"

    def seconds_to_wait(self) -> float:
        """Until this worker's part of the account's rate allows the next mail."""
        if self._last is None or self._account is None:
            return 0.0
        apart = timedelta(seconds=self._slower * names.MAIL_WORKERS / (self._account.sends_per_second * SHARE_OF_RATE))
        return max((apart - (self._now() - self._last)).total_seconds(), 0.0)

    def minute_is_full(self, rest: int) -> bool:
        """Whether as many mails of the org have left in this minute as its velocity allows, whoever planned them for when: what a
        provider or a stopped worker has held up does not leave all at once. What is in hand of a minute ends with it. `rest`: of the
        message, this mail among them."""
        minute = f"minute#{self._now():%Y-%m-%dT%H:%M}"
        if minute != self._minute or not self._of_minute:
            if self._velocity is None:
                self._velocity = in_force(self._w, self._org, self._controls)
            self._minute = minute
            expires_at = epoch_seconds(self._now() + timedelta(days=_KEEP_MINUTE_DAYS))
            self._of_minute = self._w.control.take(
                self._org, self._minute, wanted=min(AT_ONCE, rest), cap=self._velocity, expires_at=expires_at
            )
        return not self._of_minute

    def throttled(self) -> None:
        """The provider says that it is too much all the same: others send from this account. For the rest of the message it is slower."""
        self._slower = min(2 * self._slower, SLOWEST)

    def used(self) -> None:
        """One mail was claimed."""
        self._in_hand -= 1
        self._of_minute -= 1
        self._sent += 1
        self._last = self._now()

    def close(self) -> None:
        """The message is through: what it did not use is others'. A crash loses that, and never mails more than allowed."""
        if self._in_hand:
            self._w.control.put_back(self._org, self._name, self._in_hand)
            self._in_hand = 0
        if self._of_minute:
            self._w.control.put_back(self._org, self._minute, self._of_minute)
            self._of_minute = 0

    @property
    def _name(self) -> str:
        return counter_of(self._day, self._provider)

    def _take(self) -> bool:
        if self._allowance is None:
            of_day = allowances(self._w, self._org, self._controls, day=self._day, providers=(self._provider,))
            self._allowance = of_day[self._provider]
        expires_at = epoch_seconds(self._now() + timedelta(days=_KEEP_DAYS))
        self._in_hand = self._w.control.take(self._org, self._name, wanted=AT_ONCE, cap=self._allowance, expires_at=expires_at)
        return self._in_hand > 0
