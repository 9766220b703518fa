"""Recipes: what is made of an identifier before it leaves, one place for each.

A recipe has two halves for each type that it takes: the form that the receiver hashes, NULL where
the value has none, and the hash. Both are SQL over the normal form of ``domain.identifiers``; the
published examples of the receivers run through the same SQL in the tests. Normal already are
phones (E.164) and addresses (trimmed, lower case).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.errors import ConfigError
from schemas.exports import RecipeName
from schemas.sources import IDENTIFIER_TYPES

_HEX = "[0-9A-F]"
_UUID = f"{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}"
_MAINLAND = "CASE WHEN starts_with({v}, '+861') AND length({v}) = 14 THEN substr({v}, 4) END"


@dataclass(frozen=True, slots=True)
class Recipe:
    """``takes`` maps types to the form that is hashed, ``hash`` to what leaves; ``{v}`` is put in.
    """

    name: RecipeName
    says: str
    takes: Mapping[str, str]
    hash: str
    is_clear: bool = False

    def form(self, kind: str, value: str) -> str:
        """SQL of the form that is hashed, over a VARCHAR expression; NULL where there is none.

        ConfigError when the recipe does not take the type.
        """
        if kind not in self.takes:
            raise ConfigError(
                f"the recipe {self.name} takes no {kind}",
                expected="one of " + ", ".join(self.takes), got=kind, where=f"recipe {self.name}",
                todo="take another type, or another recipe: "
                + (", ".join(n for n, r in RECIPES.items() if kind in r.takes) or "none takes it"),
            )
        return self.takes[kind].format(v=value)

    def hashed(self, form: str) -> str:
        """SQL of what leaves, over the form."""
        return self.hash.format(v=form)

    def sql(self, kind: str, value: str) -> str:
        """SQL of what leaves, over the normal form of an identifier."""
        return self.hashed(self.form(kind, value))


_IDFA = (
    "CASE WHEN regexp_full_match(upper({v}), '" + _UUID.replace("{", "{{").replace("}", "}}")
    + "') THEN upper({v}) WHEN regexp_full_match(upper({v}), '" + _HEX + "{{32}}') THEN "
    "regexp_replace(upper({v}), '^(.{{8}})(.{{4}})(.{{4}})(.{{4}})(.{{12}})$', "
    r"'\1-\2-\3-\4-\5') END"
)

RECIPES: dict[str, Recipe] = {
    one.name: one
    for one in (
        Recipe(
            "tencent_md5",
            "MD5 in lower-case hex: IMEI or MEID of 14 or 15 characters in lower case, IDFA in "
            "upper case with dashes, OAID as it is, mainland phone of 11 digits without country "
            "code (developers.e.qq.com/docs/audience_management/file)",
            {
                "imei": "CASE WHEN regexp_full_match(lower({v}), '[0-9a-f]{{14,15}}') "
                "THEN lower({v}) END",
                "idfa": _IDFA,
                "oaid": "{v}",
                "phone": _MAINLAND,
            },
            "md5({v})",
        ),
        Recipe(
            "sha256_e164",
            "SHA-256 in lower-case hex of the phone with plus sign and country code "
            "(Google Customer Match, UID2)",
            {"phone": "{v}"},
            "sha256({v})",
        ),
        Recipe(
            "sha256_e164_digits",
            "SHA-256 in lower-case hex of the phone with country code, digits only "
            "(Meta, TikTok, Snap)",
            {"phone": "substr({v}, 2)"},
            "sha256({v})",
        ),
        Recipe(
            "sha256_email",
            "SHA-256 in lower-case hex of the address, trimmed and in lower case (Meta, Google, "
            "TikTok; dots and tags of Gmail stay)",
            {"email": "{v}"},
            "sha256({v})",
        ),
        Recipe(
            "raw",
            "the clear value, only for destinations that are inside",
            dict.fromkeys(IDENTIFIER_TYPES, "{v}"),
            "{v}",
            is_clear=True,
        ),
    )
}
