"""Parameter Store: the operator's switch, the controls and the secrets, cached for at most 15 seconds (P1, D5)."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property
from typing import cast

from aws_lambda_powertools.utilities.parameters import SSMProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from pydantic import TypeAdapter, ValidationError

from revenue_engine.aws import names
from revenue_engine.aws.clients import client
from revenue_engine.errors import Refused
from revenue_engine.records.controls import Autonomy, Controls, parse_autonomy, parse_controls

log = logging.getLogger(__name__)

MAX_AGE_SECONDS = 15
SECRET_MAX_AGE_SECONDS = 300
_TOKENS = TypeAdapter(list[str])


@dataclass(frozen=True)
class Parameters:
    """The parameters of one stage."""

    stage: str

    @cached_property
    def _provider(self) -> SSMProvider:
        return SSMProvider(boto3_client=client("ssm"))

    def _get(self, name: str, *, max_age_seconds: int, decrypt: bool = False) -> str | None:
        try:
            return cast("str | None", self._provider.get(name, max_age=max_age_seconds, decrypt=decrypt))
        except GetParameterError as error:
            if "ParameterNotFound" in str(error):
                return None
            raise

    def autonomy(self, org: str) -> Autonomy:
        """Raises Refused when it is missing or not a known value."""
        name = names.autonomy_parameter(self.stage, org)
        text = self._get(name, max_age_seconds=MAX_AGE_SECONDS)
        if text is None:
            raise Refused("autonomy_unreadable", f"no parameter {name}")
        return parse_autonomy(text)

    def has_switch(self, org: str) -> bool:
        """Whether the org's switch is there, whatever it says: its stack made it. One that may not be read is of another stack."""
        try:
            return self._get(names.autonomy_parameter(self.stage, org), max_age_seconds=MAX_AGE_SECONDS) is not None
        except GetParameterError as error:
            if "AccessDenied" in str(error):
                return False
            raise

    def controls(self, org: str) -> Controls:
        """Raises Refused when they are missing or invalid."""
        return parse_controls(self.controls_document(org))

    def last_zone(self, org: str) -> str:
        """The org's zone, for counting what has happened: facts must not wait for readable controls, as mail must (D5).

        While they cannot be read it is the zone this process has read last, else UTC.
        """
        try:
            self._zones[org] = self.controls(org).zone
        except (Refused, GetParameterError) as error:
            log.warning("counting in the zone %s: %s", self._zones.get(org, "UTC"), error)
        return self._zones.get(org, "UTC")

    @cached_property
    def _zones(self) -> dict[str, str]:
        return {}

    def controls_document(self, org: str) -> str:
        """The document itself. Raises Refused when it is missing."""
        name = names.controls_parameter(self.stage, org)
        text = self._get(name, max_age_seconds=MAX_AGE_SECONDS)
        if text is None:
            raise Refused("controls_unreadable", f"no parameter {name}")
        return text

    def webhook_tokens(self, org: str) -> tuple[str, ...]:
        """The live path tokens, newest first, at most two (rotation without loss). Empty when the org is unknown.

        Cached like the switch, not like other secrets: a new token is good, and a retired one no longer, after 15 seconds.
        Raises Refused when they are not a list of texts.
        """
        text = self._get(self._secret(org, names.WEBHOOK_TOKENS), max_age_seconds=MAX_AGE_SECONDS, decrypt=True)
        try:
            return tuple(_TOKENS.validate_json(text)[:2]) if text else ()
        except ValidationError:  # whose words repeat the value
            raise Refused("secret_unreadable", names.WEBHOOK_TOKENS) from None

    def tracking_key(self, org: str) -> bytes:
        """Raises Refused when there is none."""
        return self._key(org, names.TRACKING_KEY)

    def address_key(self, org: str) -> bytes:
        """Raises Refused when there is none."""
        return self._key(org, names.ADDRESS_KEY)

    def everflow_api_key(self, org: str) -> str | None:
        """None until the operator has given one."""
        return self._get(self._secret(org, names.EVERFLOW_API_KEY), max_age_seconds=SECRET_MAX_AGE_SECONDS, decrypt=True)

    def has_secret(self, org: str, secret: str) -> bool:
        """Whether the operator's org has this secret."""
        return self._get(self._secret(org, secret), max_age_seconds=SECRET_MAX_AGE_SECONDS, decrypt=True) is not None

    def _key(self, org: str, secret: str) -> bytes:
        text = self._get(self._secret(org, secret), max_age_seconds=SECRET_MAX_AGE_SECONDS, decrypt=True)
        if not text:
            raise Refused("secret_missing", secret)
        return bytes.fromhex(text)

    def _secret(self, org: str, secret: str) -> str:
        return names.secret_parameter(self.stage, org, secret)

    def forget(self) -> None:
        """Read everything anew: for those who have just written."""
        self._provider.clear_cache()  # type: ignore[no-untyped-call]

    def put(self, name: str, value: str, *, secure: bool = False) -> None:
        """Writes one parameter, over what is there."""
        client("ssm").put_parameter(Name=name, Value=value, Type="SecureString" if secure else "String", Overwrite=True)
        self.forget()
