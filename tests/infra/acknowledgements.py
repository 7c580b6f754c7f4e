"""Findings of cdk-nag that we accept, each with its reason. A finding that is not here fails the build."""

from __future__ import annotations

WILDCARD = "AwsSolutions::AwsSolutions-IAM5"

REASONS = {
    # --- wildcards in policies: each is its own finding
    f"{WILDCARD}[Resource::*]": "X-Ray, the log delivery of Step Functions and SES's account know no resource; a test allows nothing else",
    f"{WILDCARD}[Resource::<StatePostbacksAF4D494B.Arn>/*]": "objects of one bucket that holds nothing else",
    f"{WILDCARD}[Resource::<StatePostbacksAF4D494B.Arn>/unqueued/*]": "the one prefix reconcile may clear",
    f"{WILDCARD}[Resource::<StateModels823E5067.Arn>/*]": "objects of one bucket that holds nothing else",
    f"{WILDCARD}[Resource::<StateDecisionsE1416ACD.Arn>/*]": "objects of one bucket that holds nothing else",
    f"{WILDCARD}[Resource::<StateDecisionsE1416ACD.Arn>/outcomes/*]": "a key for each day, and no decision is under it",
    f"{WILDCARD}[Resource::arn:<AWS::Partition>:ses:<AWS::Region>:<AWS::AccountId>:identity/*]": (
        "the verified senders belong to the account's operator, not to this stack"
    ),
    f"{WILDCARD}[Resource::arn:<AWS::Partition>:kms:<AWS::Region>:<AWS::AccountId>:key/*]": (
        "decrypt through Parameter Store only, and only the key behind alias/aws/ssm: two conditions say so"
    ),
    # --- the rest
    "AwsSolutions::AwsSolutions-S1": "only the engine's functions read the buckets; CloudTrail data events record that if wanted",
    "AwsSolutions::AwsSolutions-APIG4": (
        "Everflow and mailbox providers cannot sign requests: postbacks carry a secret path token, unsubscribe links an "
        "authenticated one. The console routes have IAM authorisation"
    ),
    "AwsSolutions::AwsSolutions-L1": "Python 3.13 is supported, and all locked wheels exist for it",
    "Serverless::Serverless-LambdaLatestVersion": "Python 3.13 is supported, and all locked wheels exist for it",
    "Serverless::Serverless-APIGWDefaultThrottling": "a 429 to Everflow is a failure, and ten switch the feed off (M3)",
    "Serverless::Serverless-LambdaDLQ": (
        "queue consumers have dead-letter queues on their queues; a lost scheduled run is followed by the next one, and "
        "alarms watch errors and missing cycles"
    ),
    "Serverless::Serverless-EventBusDLQ": "a lost tick is followed by the next one; alarms watch errors and missing cycles",
    "Serverless::Serverless-SQSRedrivePolicy": "the queues without one are the dead-letter queues",
    "Serverless::Serverless-LambdaEventSourceMappingDestination": "SQS mappings have no destinations: the queues redrive",
}
