"""The receivers' own published examples, through the SQL that every export runs.

- Tencent Ads, customer files: developers.e.qq.com/docs/audience_management/file (IDFA, MEID)
- Tencent DataNexus, ids: datanexus.qq.com/doc/develop/guider/interface/user_id (OAID)
- Meta, customer information parameters: developers.facebook.com/docs/marketing-api/
  conversions-api/parameters/customer-information-parameters (e-mail, phone without plus sign)
- UID2, normalisation and encoding: unifiedid.com/docs/getting-started/gs-normalization-encoding
  (phone with plus sign; e-mail)
- RFC 1321, A.5 and FIPS 180 for the two hashes themselves
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from domain.identifiers import normalise
from lake.engines.duckdb import Session, quoted
from pipelines.exports import RECIPES
from schemas.errors import ConfigError
from schemas.sources import IDENTIFIER_TYPES


def left(recipe: str, kind: str, value: str | None, folder: Path) -> object:
    """What leaves of a value that was delivered so."""
    with Session(folder) as session:
        text = "CAST(NULL AS VARCHAR)" if value is None else quoted(value)
        return session.rows(f"SELECT {RECIPES[recipe].sql(kind, text)}")[0][0]


@pytest.mark.parametrize(
    ("recipe", "kind", "given", "leaves"),
    [
        ("tencent_md5", "idfa", "FF1999CD-7177-4937-A474-74937A102630",
         "2c010ed96aef2fc34983e1e7e9176b7e"),
        ("tencent_md5", "idfa", "ff1999cd-7177-4937-a474-74937a102630",
         "2c010ed96aef2fc34983e1e7e9176b7e"),
        ("tencent_md5", "imei", "a000002c9060f7", "f2d5a650733ca8c27d502b1c08da14e5"),
        ("tencent_md5", "imei", "A000002C9060F7", "f2d5a650733ca8c27d502b1c08da14e5"),
        ("tencent_md5", "oaid", "1fe9a970-efbb-29e0-0bdd-f5dbbf751ab5",
         "83e9158a4fb54c0e1ef0b238639a23ae"),
        ("sha256_email", "email", " John_Smith@gmail.com ",
         "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f"),
        ("sha256_email", "email", "USER@example.com",
         "b4c9a289323b21a01c3e940f150eb9b8c542587f1abfd8f0e1cc1ffc5e475514"),
        ("sha256_e164_digits", "phone", "(650)555-1212",
         "e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176"),
    ],
)
def test_a_published_example_leaves_as_published(
    tmp_path: Path, recipe: str, kind: str, given: str, leaves: str
) -> None:
    assert left(recipe, kind, normalise(kind, given, "US"), tmp_path) == leaves


def test_a_phone_with_its_plus_sign_leaves_as_uid2_has_published(tmp_path: Path) -> None:
    # The published number is no valid one, so that only its normal form can be given.
    leaves = "10e6f0b47054a83359477dcb35231db6de5c69fb1816e1a6b98e192de9e5b9ee"
    assert left("sha256_e164", "phone", "+12345678901", tmp_path) == leaves


@pytest.mark.parametrize(
    ("given", "digits"),
    [("138 0013 8000", "13800138000"), ("+86-138-0013-8000", "13800138000"),
     ("+852 6123 4567", None), ("010-6552-9988", None), ("0755-8655-9988", None)],
)
def test_tencent_takes_the_eleven_digits_of_a_mainland_mobile_and_no_other_phone(
    tmp_path: Path, given: str, digits: str | None
) -> None:
    value = normalise("phone", given, "CN")
    assert value is not None
    leaves = hashlib.md5(digits.encode()).hexdigest() if digits else None
    assert left("tencent_md5", "phone", value, tmp_path) == leaves


@pytest.mark.parametrize("value", ["86430002123456789", "8643-0002", "not an imei", ""])
def test_what_is_no_imei_does_not_leave(tmp_path: Path, value: str) -> None:
    assert left("tencent_md5", "imei", value, tmp_path) is None


def test_an_idfa_without_dashes_gets_them(tmp_path: Path) -> None:
    leaves = "2c010ed96aef2fc34983e1e7e9176b7e"
    assert left("tencent_md5", "idfa", "FF1999CD71774937A47474937A102630", tmp_path) == leaves
    assert left("tencent_md5", "idfa", "FF1999CD", tmp_path) is None


@pytest.mark.parametrize(("text", "md5"), [
    ("abc", "900150983cd24fb0d6963f7d28e17f72"),
    ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
])
def test_md5_is_that_of_rfc_1321(tmp_path: Path, text: str, md5: str) -> None:
    assert left("tencent_md5", "oaid", text, tmp_path) == md5


def test_a_recipe_refuses_a_type_that_it_does_not_take() -> None:
    for name, recipe in RECIPES.items():
        for kind in IDENTIFIER_TYPES:
            if kind in recipe.takes:
                recipe.sql(kind, "value")
            else:
                with pytest.raises(ConfigError, match=f"the recipe {name} takes no {kind}"):
                    recipe.sql(kind, "value")


def test_a_value_that_is_not_known_leaves_nothing(tmp_path: Path) -> None:
    for name, recipe in RECIPES.items():
        for kind in recipe.takes:
            assert left(name, kind, None, tmp_path) is None
