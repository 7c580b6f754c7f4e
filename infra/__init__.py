"""The CDK app of the engine: what exists in AWS, and who may touch it.

Imports `revenue_engine.aws.names` and nothing else of the engine.
"""
