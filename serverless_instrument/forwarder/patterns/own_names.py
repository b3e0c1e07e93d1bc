"""Names of attributes, metrics, scopes and spans that this package gives: no user data; pure.

A pattern that takes too long, or one that is too wide, must not take them away: without them
nothing can be told from the rest.
"""

from __future__ import annotations

_NAMES = """
aws.dynamodb.table_names aws.eventbridge.detail_type aws.eventbridge.source
aws.kinesis.stream_name aws.lambda.batch_item_failures.count aws.lambda.billed_duration
aws.lambda.cpu.core_utilization.max aws.lambda.cpu.core_utilization.min aws.lambda.cpu.cores
aws.lambda.cpu.system_time aws.lambda.cpu.total_time aws.lambda.cpu.user_time
aws.lambda.cpu.utilization aws.lambda.estimated_cost aws.lambda.event_source
aws.lambda.file_descriptors.max aws.lambda.file_descriptors.used aws.lambda.initialization_type
aws.lambda.invoked_arn aws.lambda.memory.peak aws.lambda.memory.size
aws.lambda.memory.utilization aws.lambda.network.received aws.lambda.network.sent
aws.lambda.network.total aws.lambda.out_of_memory aws.lambda.post_runtime_duration
aws.lambda.produced_bytes aws.lambda.request.payload aws.lambda.response.payload
aws.lambda.response_duration aws.lambda.response_latency aws.lambda.restore_duration
aws.lambda.runtime_duration aws.lambda.shutdown.reason aws.lambda.shutdowns
aws.lambda.threads.max aws.lambda.threads.used aws.lambda.tmp.free aws.lambda.tmp.max
aws.lambda.tmp.used aws.lambda.unused_inits aws.log.group.names aws.log.stream.names
aws.s3.bucket aws.s3.key aws.secretsmanager.secret.arn aws.sns.topic.arn
aws.step_functions.state_machine.arn client.address cloud.account.id cloud.platform
cloud.provider cloud.region cloud.resource_id code.file.path code.function.name code.line.number
code.stacktrace db.namespace db.stored_procedure.name db.system.name deployment.id error.type
exception exception.escaped exception.message exception.stacktrace exception.type faas.coldstart
faas.coldstarts faas.cpu_usage faas.cron faas.document.collection faas.document.name
faas.document.operation faas.document.time faas.errors faas.init_duration faas.instance
faas.invocation.exception faas.invocation_id faas.invocations faas.invoke_duration
faas.max_memory faas.mem_usage faas.name faas.net_io faas.time faas.timeouts faas.trigger
faas.version gen_ai.agent.id gen_ai.agent.name gen_ai.conversation.id gen_ai.operation.name
gen_ai.provider.name gen_ai.tool.name graphql.operation.name graphql.operation.type
http.request.method http.request.method_original http.response.status_code http.route
log.iostream log.level log.logger messaging.batch.message_count messaging.destination.name
messaging.destination.partition.id messaging.destination.template messaging.kafka.offset
messaging.message.conversation_id messaging.message.id messaging.operation.name
messaging.operation.type messaging.system network.protocol.name network.protocol.version
otel.metric.overflow server.address server.port serverless_instrument
serverless_instrument.extension serverless_instrument.forwarder serverless_instrument.function
serverless_instrument.parent_span_id serverless_instrument.platform
serverless_instrument.route_prefix serverless_instrument.runtime
serverless_instrument.span.start serverless_instrument.statsd service.name
telemetry.sdk.language telemetry.sdk.name telemetry.sdk.version url.full url.path url.query
url.scheme user_agent.original vcs.repository.name
"""
_SPANS = ("init", "init extensions", "init runtime", "init function", "restore")
OWN_NAMES = frozenset((*_NAMES.split(), *_SPANS))
