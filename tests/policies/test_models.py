from __future__ import annotations

import pytest

from bursar.policies.models import ModelRef, canonical

ACCOUNT = "arn:aws:bedrock:us-east-1:123456789012"


@pytest.mark.parametrize(
    ("model_id", "expected"),
    [
        ("claude-opus-5-5", ModelRef("claude-opus-5-5")),
        ("claude-sonnet-4-5", ModelRef("claude-sonnet-4-5")),
        ("claude-sonnet-4-5-20250929", ModelRef("claude-sonnet-4-5")),
        ("claude-opus-4-7-20260416", ModelRef("claude-opus-4-7")),
        ("claude-3-7-sonnet-latest", ModelRef("claude-3-7-sonnet")),
        ("claude-sonnet-4-5@20250929", ModelRef("claude-sonnet-4-5", platform="vertex")),
        ("claude-opus-5@default", ModelRef("claude-opus-5", platform="vertex")),
        ("claude-3-5-sonnet-v2@20241022", ModelRef("claude-3-5-sonnet", platform="vertex")),
        ("anthropic.claude-opus-5-5", ModelRef("claude-opus-5-5", platform="bedrock")),
        ("anthropic.claude-sonnet-4-5-20250929-v1:0", ModelRef("claude-sonnet-4-5", platform="bedrock")),
        ("anthropic.claude-3-5-sonnet-20241022-v2:0", ModelRef("claude-3-5-sonnet", platform="bedrock")),
        ("anthropic.claude-3-haiku-20240307-v1:0:200k", ModelRef("claude-3-haiku", platform="bedrock")),
        ("anthropic.claude-opus-4-6-v1", ModelRef("claude-opus-4-6", platform="bedrock")),
        ("us.anthropic.claude-opus-4-6-v1", ModelRef("claude-opus-4-6", "us", "bedrock")),
        ("eu.anthropic.claude-sonnet-5", ModelRef("claude-sonnet-5", "eu", "bedrock")),
        ("jp.anthropic.claude-haiku-5-5", ModelRef("claude-haiku-5-5", "jp", "bedrock")),
        ("au.anthropic.claude-opus-5", ModelRef("claude-opus-5", "au", "bedrock")),
        ("apac.anthropic.claude-sonnet-4-20250514-v1:0", ModelRef("claude-sonnet-4", "apac", "bedrock")),
        ("global.anthropic.claude-fable-5-2", ModelRef("claude-fable-5-2", "global", "bedrock")),
        ("us-gov.anthropic.claude-haiku-5-5", ModelRef("claude-haiku-5-5", "us-gov", "bedrock")),
        ("anthropic/claude-sonnet-5-5", ModelRef("claude-sonnet-5-5", platform="anthropic")),
        ("claude-opus-4-6[1m]", ModelRef("claude-opus-4-6")),
        ("claude-sonnet-4-5-20250929[1m]", ModelRef("claude-sonnet-4-5")),
        (
            f"{ACCOUNT}:inference-profile/eu.anthropic.claude-haiku-4-5-20251001-v1:0",
            ModelRef("claude-haiku-4-5", "eu", "bedrock"),
        ),
        (
            "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-opus-5-5",
            ModelRef("claude-opus-5-5", None, "bedrock"),
        ),
        (
            "arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/anthropic.claude-haiku-5-5",
            ModelRef("claude-haiku-5-5", "us-gov", "bedrock"),
        ),
    ],
)
def test_each_platforms_form_names_the_same_model(model_id: str, expected: ModelRef) -> None:
    """Date, version, platform and region are taken off; what they say stands beside the name."""
    assert canonical(model_id) == expected


@pytest.mark.parametrize(
    ("longer", "shorter"),
    [
        ("claude-opus-5-5", "claude-opus-5"),
        ("claude-fable-5-1", "claude-fable-5"),
        ("claude-fable-5-2", "claude-fable-5-1"),
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-20250514"),
        ("anthropic.claude-opus-4-6-v1", "anthropic.claude-opus-4-1-20250805-v1:0"),
    ],
)
def test_point_releases_stay_apart(longer: str, shorter: str) -> None:
    """A point release never inherits the name of the release before it."""
    assert canonical(longer).id != canonical(shorter).id


@pytest.mark.parametrize(
    "model_id",
    ["", "gpt-5-20260101", "my-model-v1", "us.claude-opus-5", "xx.anthropic.claude-opus-5", "claude-opus-5@eu", "[1m]"],
)
def test_an_id_of_no_known_form_is_its_own_name(model_id: str) -> None:
    """What cannot be taken apart is left whole, so that it is never mistaken for a model with a price."""
    assert canonical(model_id) == ModelRef(model_id)


@pytest.mark.parametrize("profile", ["abc123", "claude-opus-5"])
def test_an_application_inference_profile_is_its_own_name(profile: str) -> None:
    """Its ARN hides the model, whatever the profile is called, so a price file must name it."""
    arn = f"{ACCOUNT}:application-inference-profile/{profile}"
    assert canonical(arn) == ModelRef(arn, None, "bedrock")
