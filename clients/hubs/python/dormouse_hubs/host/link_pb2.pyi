# mypy: ignore-errors
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AnswerTimes(_message.Message):
    __slots__ = ["at_ms", "number"]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    at_ms: _containers.RepeatedScalarFieldContainer[int]
    number: int
    def __init__(self, number: _Optional[int] = ..., at_ms: _Optional[_Iterable[int]] = ...) -> None: ...

class AutoResponse(_message.Message):
    __slots__ = ["absent", "prefixes", "reply", "require", "type"]
    ABSENT_FIELD_NUMBER: _ClassVar[int]
    PREFIXES_FIELD_NUMBER: _ClassVar[int]
    REPLY_FIELD_NUMBER: _ClassVar[int]
    REQUIRE_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    absent: _containers.RepeatedScalarFieldContainer[str]
    prefixes: _containers.RepeatedCompositeFieldContainer[StringPrefix]
    reply: Template
    require: _containers.RepeatedScalarFieldContainer[str]
    type: str
    def __init__(self, type: _Optional[str] = ..., require: _Optional[_Iterable[str]] = ..., absent: _Optional[_Iterable[str]] = ..., prefixes: _Optional[_Iterable[_Union[StringPrefix, _Mapping]]] = ..., reply: _Optional[_Union[Template, _Mapping]] = ...) -> None: ...

class ClassProfile(_message.Message):
    __slots__ = ["admission_close_code", "admission_close_reason", "admission_timeout_ms", "auto_responses", "binary_is_text", "idle_check_ms", "idle_close_code", "idle_close_reason", "idle_timeout_ms", "kept_bytes", "kept_messages", "max_message_size", "name", "outbound_limit", "outbound_pause", "outbound_pause_messages", "outbound_resume", "outbound_resume_messages", "rate_burst", "rate_exempt_types", "rate_limit", "rate_limited_reply", "role_limits", "routes", "too_large_reply"]
    ADMISSION_CLOSE_CODE_FIELD_NUMBER: _ClassVar[int]
    ADMISSION_CLOSE_REASON_FIELD_NUMBER: _ClassVar[int]
    ADMISSION_TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    AUTO_RESPONSES_FIELD_NUMBER: _ClassVar[int]
    BINARY_IS_TEXT_FIELD_NUMBER: _ClassVar[int]
    IDLE_CHECK_MS_FIELD_NUMBER: _ClassVar[int]
    IDLE_CLOSE_CODE_FIELD_NUMBER: _ClassVar[int]
    IDLE_CLOSE_REASON_FIELD_NUMBER: _ClassVar[int]
    IDLE_TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    KEPT_BYTES_FIELD_NUMBER: _ClassVar[int]
    KEPT_MESSAGES_FIELD_NUMBER: _ClassVar[int]
    MAX_MESSAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    OUTBOUND_LIMIT_FIELD_NUMBER: _ClassVar[int]
    OUTBOUND_PAUSE_FIELD_NUMBER: _ClassVar[int]
    OUTBOUND_PAUSE_MESSAGES_FIELD_NUMBER: _ClassVar[int]
    OUTBOUND_RESUME_FIELD_NUMBER: _ClassVar[int]
    OUTBOUND_RESUME_MESSAGES_FIELD_NUMBER: _ClassVar[int]
    RATE_BURST_FIELD_NUMBER: _ClassVar[int]
    RATE_EXEMPT_TYPES_FIELD_NUMBER: _ClassVar[int]
    RATE_LIMITED_REPLY_FIELD_NUMBER: _ClassVar[int]
    RATE_LIMIT_FIELD_NUMBER: _ClassVar[int]
    ROLE_LIMITS_FIELD_NUMBER: _ClassVar[int]
    ROUTES_FIELD_NUMBER: _ClassVar[int]
    TOO_LARGE_REPLY_FIELD_NUMBER: _ClassVar[int]
    admission_close_code: int
    admission_close_reason: str
    admission_timeout_ms: int
    auto_responses: _containers.RepeatedCompositeFieldContainer[AutoResponse]
    binary_is_text: bool
    idle_check_ms: int
    idle_close_code: int
    idle_close_reason: str
    idle_timeout_ms: int
    kept_bytes: int
    kept_messages: int
    max_message_size: int
    name: str
    outbound_limit: int
    outbound_pause: int
    outbound_pause_messages: int
    outbound_resume: int
    outbound_resume_messages: int
    rate_burst: int
    rate_exempt_types: _containers.RepeatedScalarFieldContainer[str]
    rate_limit: float
    rate_limited_reply: Template
    role_limits: _containers.RepeatedCompositeFieldContainer[RoleLimit]
    routes: _containers.RepeatedCompositeFieldContainer[Route]
    too_large_reply: Template
    def __init__(self, name: _Optional[str] = ..., routes: _Optional[_Iterable[_Union[Route, _Mapping]]] = ..., auto_responses: _Optional[_Iterable[_Union[AutoResponse, _Mapping]]] = ..., idle_timeout_ms: _Optional[int] = ..., idle_check_ms: _Optional[int] = ..., idle_close_code: _Optional[int] = ..., idle_close_reason: _Optional[str] = ..., max_message_size: _Optional[int] = ..., too_large_reply: _Optional[_Union[Template, _Mapping]] = ..., rate_limit: _Optional[float] = ..., rate_burst: _Optional[int] = ..., rate_exempt_types: _Optional[_Iterable[str]] = ..., rate_limited_reply: _Optional[_Union[Template, _Mapping]] = ..., outbound_pause: _Optional[int] = ..., outbound_resume: _Optional[int] = ..., outbound_limit: _Optional[int] = ..., outbound_pause_messages: _Optional[int] = ..., outbound_resume_messages: _Optional[int] = ..., admission_timeout_ms: _Optional[int] = ..., admission_close_code: _Optional[int] = ..., admission_close_reason: _Optional[str] = ..., role_limits: _Optional[_Iterable[_Union[RoleLimit, _Mapping]]] = ..., kept_messages: _Optional[int] = ..., kept_bytes: _Optional[int] = ..., binary_is_text: bool = ...) -> None: ...

class Durable(_message.Message):
    __slots__ = ["commits", "epoch", "shard"]
    COMMITS_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SHARD_FIELD_NUMBER: _ClassVar[int]
    commits: int
    epoch: int
    shard: int
    def __init__(self, shard: _Optional[int] = ..., epoch: _Optional[int] = ..., commits: _Optional[int] = ...) -> None: ...

class Forget(_message.Message):
    __slots__ = ["below", "first", "gateway", "last", "shard"]
    BELOW_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    GATEWAY_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    SHARD_FIELD_NUMBER: _ClassVar[int]
    below: int
    first: int
    gateway: int
    last: int
    shard: int
    def __init__(self, gateway: _Optional[int] = ..., shard: _Optional[int] = ..., first: _Optional[int] = ..., last: _Optional[int] = ..., below: _Optional[int] = ...) -> None: ...

class Identity(_message.Message):
    __slots__ = ["actor", "actors", "capabilities", "expires_ms", "role"]
    ACTORS_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_MS_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    actor: str
    actors: _containers.RepeatedScalarFieldContainer[str]
    capabilities: _containers.RepeatedScalarFieldContainer[str]
    expires_ms: int
    role: str
    def __init__(self, actor: _Optional[str] = ..., actors: _Optional[_Iterable[str]] = ..., capabilities: _Optional[_Iterable[str]] = ..., expires_ms: _Optional[int] = ..., role: _Optional[str] = ...) -> None: ...

class Look(_message.Message):
    __slots__ = ["awake", "awake_ms", "bytes", "idle_ms", "number", "status", "wake_us"]
    class Status(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = []
    AWAKE_FIELD_NUMBER: _ClassVar[int]
    AWAKE_MS_FIELD_NUMBER: _ClassVar[int]
    BUSY: Look.Status
    BYTES_FIELD_NUMBER: _ClassVar[int]
    IDLE_MS_FIELD_NUMBER: _ClassVar[int]
    NOT_OWNER: Look.Status
    NO_SUCH_HUB: Look.Status
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    OK: Look.Status
    STATUS_FIELD_NUMBER: _ClassVar[int]
    WAKE_US_FIELD_NUMBER: _ClassVar[int]
    awake: bool
    awake_ms: int
    bytes: int
    idle_ms: int
    number: int
    status: Look.Status
    wake_us: int
    def __init__(self, number: _Optional[int] = ..., status: _Optional[_Union[Look.Status, str]] = ..., awake: bool = ..., awake_ms: _Optional[int] = ..., idle_ms: _Optional[int] = ..., bytes: _Optional[int] = ..., wake_us: _Optional[int] = ...) -> None: ...

class LookAt(_message.Message):
    __slots__ = ["hub", "number", "sleep"]
    HUB_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    SLEEP_FIELD_NUMBER: _ClassVar[int]
    hub: str
    number: int
    sleep: bool
    def __init__(self, number: _Optional[int] = ..., hub: _Optional[str] = ..., sleep: bool = ...) -> None: ...

class Member(_message.Message):
    __slots__ = ["address", "app_http", "framed", "incarnation", "lanes", "unix_path"]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    APP_HTTP_FIELD_NUMBER: _ClassVar[int]
    FRAMED_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    LANES_FIELD_NUMBER: _ClassVar[int]
    UNIX_PATH_FIELD_NUMBER: _ClassVar[int]
    address: str
    app_http: str
    framed: bool
    incarnation: int
    lanes: int
    unix_path: str
    def __init__(self, incarnation: _Optional[int] = ..., lanes: _Optional[int] = ..., address: _Optional[str] = ..., unix_path: _Optional[str] = ..., app_http: _Optional[str] = ..., framed: bool = ...) -> None: ...

class OpenRequest(_message.Message):
    __slots__ = ["headers", "identity", "path", "query", "remote_address", "reservation", "subprotocol"]
    class Header(_message.Message):
        __slots__ = ["name", "value"]
        NAME_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        name: str
        value: str
        def __init__(self, name: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    REMOTE_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    RESERVATION_FIELD_NUMBER: _ClassVar[int]
    SUBPROTOCOL_FIELD_NUMBER: _ClassVar[int]
    headers: _containers.RepeatedCompositeFieldContainer[OpenRequest.Header]
    identity: Identity
    path: str
    query: str
    remote_address: str
    reservation: str
    subprotocol: str
    def __init__(self, path: _Optional[str] = ..., query: _Optional[str] = ..., remote_address: _Optional[str] = ..., subprotocol: _Optional[str] = ..., headers: _Optional[_Iterable[_Union[OpenRequest.Header, _Mapping]]] = ..., identity: _Optional[_Union[Identity, _Mapping]] = ..., reservation: _Optional[str] = ...) -> None: ...

class Owned(_message.Message):
    __slots__ = ["commits", "epoch", "shard"]
    COMMITS_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SHARD_FIELD_NUMBER: _ClassVar[int]
    commits: int
    epoch: int
    shard: int
    def __init__(self, shard: _Optional[int] = ..., epoch: _Optional[int] = ..., commits: _Optional[int] = ...) -> None: ...

class RoleLimit(_message.Message):
    __slots__ = ["burst", "rate", "role"]
    BURST_FIELD_NUMBER: _ClassVar[int]
    RATE_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    burst: int
    rate: float
    role: str
    def __init__(self, role: _Optional[str] = ..., rate: _Optional[float] = ..., burst: _Optional[int] = ...) -> None: ...

class Route(_message.Message):
    __slots__ = ["hub_name", "path"]
    HUB_NAME_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    hub_name: str
    path: str
    def __init__(self, path: _Optional[str] = ..., hub_name: _Optional[str] = ...) -> None: ...

class Settled(_message.Message):
    __slots__ = ["epoch", "first", "last", "shard"]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    SHARD_FIELD_NUMBER: _ClassVar[int]
    epoch: int
    first: int
    last: int
    shard: int
    def __init__(self, shard: _Optional[int] = ..., epoch: _Optional[int] = ..., first: _Optional[int] = ..., last: _Optional[int] = ...) -> None: ...

class ShardMap(_message.Message):
    __slots__ = ["classes", "epoch", "members", "owner", "shard_count", "version"]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    SHARD_COUNT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    classes: _containers.RepeatedCompositeFieldContainer[ClassProfile]
    epoch: _containers.RepeatedScalarFieldContainer[int]
    members: _containers.RepeatedCompositeFieldContainer[Member]
    owner: _containers.RepeatedScalarFieldContainer[int]
    shard_count: int
    version: int
    def __init__(self, version: _Optional[int] = ..., shard_count: _Optional[int] = ..., members: _Optional[_Iterable[_Union[Member, _Mapping]]] = ..., owner: _Optional[_Iterable[int]] = ..., epoch: _Optional[_Iterable[int]] = ..., classes: _Optional[_Iterable[_Union[ClassProfile, _Mapping]]] = ...) -> None: ...

class Stale(_message.Message):
    __slots__ = ["epoch", "shard"]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SHARD_FIELD_NUMBER: _ClassVar[int]
    epoch: int
    shard: int
    def __init__(self, shard: _Optional[int] = ..., epoch: _Optional[int] = ...) -> None: ...

class StreamEnd(_message.Message):
    __slots__ = ["code", "details", "message"]
    CODE_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: int
    details: bytes
    message: str
    def __init__(self, code: _Optional[int] = ..., message: _Optional[str] = ..., details: _Optional[bytes] = ...) -> None: ...

class StreamOpening(_message.Message):
    __slots__ = ["authorization", "lane"]
    AUTHORIZATION_FIELD_NUMBER: _ClassVar[int]
    LANE_FIELD_NUMBER: _ClassVar[int]
    authorization: str
    lane: int
    def __init__(self, lane: _Optional[int] = ..., authorization: _Optional[str] = ...) -> None: ...

class StringPrefix(_message.Message):
    __slots__ = ["field", "negate", "prefix"]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    NEGATE_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    field: str
    negate: bool
    prefix: str
    def __init__(self, field: _Optional[str] = ..., prefix: _Optional[str] = ..., negate: bool = ...) -> None: ...

class Template(_message.Message):
    __slots__ = ["parts"]
    class Value(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = []
    class Part(_message.Message):
        __slots__ = ["field", "literal", "otherwise", "string_only", "value", "variant"]
        FIELD_FIELD_NUMBER: _ClassVar[int]
        LITERAL_FIELD_NUMBER: _ClassVar[int]
        OTHERWISE_FIELD_NUMBER: _ClassVar[int]
        STRING_ONLY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        VARIANT_FIELD_NUMBER: _ClassVar[int]
        field: str
        literal: str
        otherwise: str
        string_only: bool
        value: Template.Value
        variant: Template.Variant
        def __init__(self, literal: _Optional[str] = ..., field: _Optional[str] = ..., value: _Optional[_Union[Template.Value, str]] = ..., otherwise: _Optional[str] = ..., variant: _Optional[_Union[Template.Variant, _Mapping]] = ..., string_only: bool = ...) -> None: ...
    class Variant(_message.Message):
        __slots__ = ["otherwise", "when"]
        OTHERWISE_FIELD_NUMBER: _ClassVar[int]
        WHEN_FIELD_NUMBER: _ClassVar[int]
        otherwise: str
        when: StringPrefix
        def __init__(self, when: _Optional[_Union[StringPrefix, _Mapping]] = ..., otherwise: _Optional[str] = ...) -> None: ...
    ACTUAL_SIZE: Template.Value
    CONNECTION_ID: Template.Value
    MAX_SIZE: Template.Value
    NEW_UUID: Template.Value
    NONE: Template.Value
    NOW_ISO: Template.Value
    NOW_MS: Template.Value
    PARTS_FIELD_NUMBER: _ClassVar[int]
    RATE_LIMIT: Template.Value
    RETRY_AFTER_MS: Template.Value
    RETRY_AFTER_S: Template.Value
    parts: _containers.RepeatedCompositeFieldContainer[Template.Part]
    def __init__(self, parts: _Optional[_Iterable[_Union[Template.Part, _Mapping]]] = ...) -> None: ...

class ToGateway(_message.Message):
    __slots__ = ["batch", "deliveries", "durable", "forget", "hello", "looks", "owned", "settled"]
    class Hello(_message.Message):
        __slots__ = ["after", "incarnation", "resumed"]
        AFTER_FIELD_NUMBER: _ClassVar[int]
        INCARNATION_FIELD_NUMBER: _ClassVar[int]
        RESUMED_FIELD_NUMBER: _ClassVar[int]
        after: int
        incarnation: int
        resumed: bool
        def __init__(self, incarnation: _Optional[int] = ..., resumed: bool = ..., after: _Optional[int] = ...) -> None: ...
    BATCH_FIELD_NUMBER: _ClassVar[int]
    DELIVERIES_FIELD_NUMBER: _ClassVar[int]
    DURABLE_FIELD_NUMBER: _ClassVar[int]
    FORGET_FIELD_NUMBER: _ClassVar[int]
    HELLO_FIELD_NUMBER: _ClassVar[int]
    LOOKS_FIELD_NUMBER: _ClassVar[int]
    OWNED_FIELD_NUMBER: _ClassVar[int]
    SETTLED_FIELD_NUMBER: _ClassVar[int]
    batch: int
    deliveries: bytes
    durable: _containers.RepeatedCompositeFieldContainer[Durable]
    forget: _containers.RepeatedCompositeFieldContainer[Forget]
    hello: ToGateway.Hello
    looks: _containers.RepeatedCompositeFieldContainer[Look]
    owned: _containers.RepeatedCompositeFieldContainer[Owned]
    settled: _containers.RepeatedCompositeFieldContainer[Settled]
    def __init__(self, hello: _Optional[_Union[ToGateway.Hello, _Mapping]] = ..., batch: _Optional[int] = ..., deliveries: _Optional[bytes] = ..., settled: _Optional[_Iterable[_Union[Settled, _Mapping]]] = ..., forget: _Optional[_Iterable[_Union[Forget, _Mapping]]] = ..., owned: _Optional[_Iterable[_Union[Owned, _Mapping]]] = ..., durable: _Optional[_Iterable[_Union[Durable, _Mapping]]] = ..., looks: _Optional[_Iterable[_Union[Look, _Mapping]]] = ...) -> None: ...

class ToLane(_message.Message):
    __slots__ = ["answer_times", "events", "hello", "look_at", "received_through", "stale"]
    class Hello(_message.Message):
        __slots__ = ["afresh", "identity", "incarnation", "lane", "received_through"]
        AFRESH_FIELD_NUMBER: _ClassVar[int]
        IDENTITY_FIELD_NUMBER: _ClassVar[int]
        INCARNATION_FIELD_NUMBER: _ClassVar[int]
        LANE_FIELD_NUMBER: _ClassVar[int]
        RECEIVED_THROUGH_FIELD_NUMBER: _ClassVar[int]
        afresh: bool
        identity: bytes
        incarnation: int
        lane: int
        received_through: int
        def __init__(self, incarnation: _Optional[int] = ..., lane: _Optional[int] = ..., received_through: _Optional[int] = ..., identity: _Optional[bytes] = ..., afresh: bool = ...) -> None: ...
    ANSWER_TIMES_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    HELLO_FIELD_NUMBER: _ClassVar[int]
    LOOK_AT_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_THROUGH_FIELD_NUMBER: _ClassVar[int]
    STALE_FIELD_NUMBER: _ClassVar[int]
    answer_times: _containers.RepeatedCompositeFieldContainer[AnswerTimes]
    events: bytes
    hello: ToLane.Hello
    look_at: _containers.RepeatedCompositeFieldContainer[LookAt]
    received_through: int
    stale: _containers.RepeatedCompositeFieldContainer[Stale]
    def __init__(self, hello: _Optional[_Union[ToLane.Hello, _Mapping]] = ..., events: _Optional[bytes] = ..., received_through: _Optional[int] = ..., stale: _Optional[_Iterable[_Union[Stale, _Mapping]]] = ..., look_at: _Optional[_Iterable[_Union[LookAt, _Mapping]]] = ..., answer_times: _Optional[_Iterable[_Union[AnswerTimes, _Mapping]]] = ...) -> None: ...

class WatchShardsRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...
