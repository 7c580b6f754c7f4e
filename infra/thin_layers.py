"""Thin layers synthesise and test well, but hold no packages."""

from aws_cdk import Annotations, CfnRule, CfnRuleAssertion, Fn, Stack


def refuse_deployment(stack: Stack) -> None:
    """CloudFormation itself must refuse a stack whose layers hold nothing."""
    Annotations.of(stack).add_warning_v2(
        "revenue-engine:thin-layers",
        "synthesised with thin layers, for tests; CloudFormation will refuse it: use `make deploy`",
    )
    CfnRule(
        stack,
        "OnlyPackagedLayersAreDeployed",
        assertions=[
            CfnRuleAssertion(
                assert_=Fn.condition_equals("thin", "packaged"),
                assert_description="The layers hold no packages. Run `make deploy`, which packages them first.",
            )
        ],
    )
