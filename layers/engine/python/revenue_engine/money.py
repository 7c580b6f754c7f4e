"""Money: integer micros (1e-6) of a currency, never a float (M1)."""

from __future__ import annotations

import re
from decimal import Decimal

from revenue_engine.errors import BadInput

MICROS = 1_000_000
_AMOUNT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)

# ISO 4217 codes of currencies in use, less metals, funds and test codes.
CURRENCIES = frozenset(
    """AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY COP
    CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK
    JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN
    NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC
    SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG""".split()
)


def parse_micros(text: str, *, field: str) -> int:
    """Exact micros of a decimal amount such as `25.996`.

    Raises
    ------
    BadInput
        Naming `field`: not a plain decimal number, finer than a micro, or not finite.
    """
    if not _AMOUNT.fullmatch(text.strip()):
        raise BadInput(field, "not_a_number", text[:40])
    value = Decimal(text.strip())
    if abs(value) >= Decimal(10) ** 12:
        raise BadInput(field, "amount_out_of_range", text[:40])
    micros = value * MICROS
    if micros != micros.to_integral_value():
        raise BadInput(field, "finer_than_a_micro", text[:40])
    return int(micros)


def parse_currency(text: str, *, field: str) -> str:
    """An ISO 4217 code in use. Raises BadInput naming `field`."""
    code = text.strip().upper()
    if code not in CURRENCIES:
        raise BadInput(field, "unknown_currency", text[:10])
    return code


def format_micros(micros: int, currency: str, *, decimals: int = 2) -> str:
    """For people: `12.35 USD`, rounded half even; below a tenth, where rounding would hide much or all of it, every digit: `0.004 USD`."""
    text = f"{Decimal(micros) / MICROS:,.{decimals}f}"
    if abs(micros) < MICROS // 10:
        text = max(text, f"{Decimal(micros) / MICROS:.6f}".rstrip("0"), key=len)
    return f"{text} {currency}"
