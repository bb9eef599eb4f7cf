"""Places that a sentence names, and whether it leaves them out."""

from __future__ import annotations

from typing import Final

from troth.watch.text import key_of

_NAMES: Final = {
    "EU": "eu|european union",
    "EEA": "eea|european economic area",
    "GB": "uk|united kingdom|great britain|britain",
    "CH": "switzerland",
    "CA": "canada",
    "HK": "hong kong",
    "CN": "china|mainland china",
    "US": "united states|usa",
    "US-CA": "california",
    "US-IL": "illinois",
    "US-TX": "texas",
    "BR": "brazil",
    "IN": "india",
    "JP": "japan",
    "KR": "south korea|republic of korea",
    "AU": "australia",
    "NZ": "new zealand",
    "SG": "singapore",
    "MX": "mexico",
    "NO": "norway",
    "IS": "iceland",
    "LI": "liechtenstein",
    "IL": "israel",
    "ZA": "south africa",
    "AE": "united arab emirates",
    "TR": "turkey|türkiye",
    "RU": "russia",
    "UA": "ukraine",
    "DE": "germany",
    "FR": "france",
    "ES": "spain",
    "IT": "italy",
    "NL": "netherlands",
    "IE": "ireland",
    "PL": "poland",
    "SE": "sweden",
    "DK": "denmark",
    "FI": "finland",
    "AT": "austria",
    "BE": "belgium",
    "PT": "portugal",
    "GR": "greece",
    "MO": "macau|macao",
    "TW": "taiwan",
    "VN": "vietnam",
    "TH": "thailand",
    "ID": "indonesia",
    "MY": "malaysia",
    "PH": "philippines",
    "AR": "argentina",
    "CL": "chile",
    "CO": "colombia",
    "NG": "nigeria",
    "KE": "kenya",
    "EG": "egypt",
    "SA": "saudi arabia",
}
PLACES: Final = {name: code for code, names in _NAMES.items() for name in names.split("|")}

_LEAVES_OUT: Final = (
    "except", "exception", "excluding", "excluded", "outside", "other than", "does not apply",
    "not apply", "do not use",
    "not use", "not used", "not available", "will not", "do not currently", "not train", "not training", "left out",
    "not enabled", "exempt", "not include", "not happen", "not collect", "not process", "apart from",
)  # fmt: skip


def places_in(text: str) -> frozenset[str]:
    """Codes of the places that a text names."""
    key = f" {key_of(text)} "
    return frozenset(code for name, code in PLACES.items() if f" {name} " in key)


def leaves_out(text: str) -> bool:
    """Whether a sentence leaves places out."""
    key = f" {key_of(text)} "
    return any(f" {words} " in key for words in _LEAVES_OUT)
