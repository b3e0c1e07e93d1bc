"""The library imports that switch on an OpenTelemetry instrumentation. Pure.

To add a library, add a row: the module whose import shows that the function uses it, the name of
the instrumentation and its class. The module must be complete when its import ends, and so not one
that its package imports half-way. The name is the one in ``OTEL_PYTHON_DISABLED_INSTRUMENTATIONS``,
with underscores; it is the last part of the module under ``opentelemetry.instrumentation``, or a
key of `hooks.run._PACKAGES`. An instrumentation that is not installed costs one search for it. A
library that needs more than the class has a file of its own beside this one, named in `OWN_FILES`,
with a function ``hook(module, load)``.
"""

from __future__ import annotations

INSTRUMENTATIONS = {
    "aiobotocore.client": ("aiobotocore", "AiobotocoreInstrumentor"),
    "aiohttp": ("aiohttp_client", "AioHttpClientInstrumentor"),
    "aiokafka": ("aiokafka", "AIOKafkaInstrumentor"),
    "aiopg": ("aiopg", "AiopgInstrumentor"),
    "asyncpg": ("asyncpg", "AsyncPGInstrumentor"),
    "botocore.client": ("botocore", "BotocoreInstrumentor"),
    "cassandra.cluster": ("cassandra", "CassandraInstrumentor"),
    "confluent_kafka": ("confluent_kafka", "ConfluentKafkaInstrumentor"),
    "elasticsearch": ("elasticsearch", "ElasticsearchInstrumentor"),
    "grpc": ("grpc_client", "GrpcInstrumentorClient"),
    "httpx": ("httpx", "HTTPXClientInstrumentor"),
    "kafka": ("kafka", "KafkaInstrumentor"),
    "mysql.connector": ("mysql", "MySQLInstrumentor"),
    "MySQLdb": ("mysqlclient", "MySQLClientInstrumentor"),
    "pika": ("pika", "PikaInstrumentor"),
    "psycopg": ("psycopg", "PsycopgInstrumentor"),
    "psycopg2": ("psycopg2", "Psycopg2Instrumentor"),
    "pymemcache": ("pymemcache", "PymemcacheInstrumentor"),
    "pymongo": ("pymongo", "PymongoInstrumentor"),
    "pymysql": ("pymysql", "PyMySQLInstrumentor"),
    "redis": ("redis", "RedisInstrumentor"),
    "requests": ("requests", "RequestsInstrumentor"),
    "sqlalchemy": ("sqlalchemy", "SQLAlchemyInstrumentor"),
    "sqlite3": ("sqlite3", "SQLite3Instrumentor"),
    # botocore, requests and others import these two: see first_call.py.
    "urllib.request": ("urllib", "URLLibInstrumentor"),
    "urllib3.connectionpool": ("urllib3", "URLLib3Instrumentor"),
}
OWN_FILES = frozenset(("botocore", "urllib", "urllib3"))
# Web frameworks whose routes name the invocation's span: the module that matches routes, and the
# name, both in ``OTEL_PYTHON_DISABLED_INSTRUMENTATIONS`` and of the function in routes.py.
FRAMEWORKS = {
    "aws_lambda_powertools.event_handler.api_gateway": "powertools",
    "django.core.handlers.base": "django",
    "fastapi.routing": "fastapi",
    "flask.ctx": "flask",
    "starlette.routing": "starlette",
}
