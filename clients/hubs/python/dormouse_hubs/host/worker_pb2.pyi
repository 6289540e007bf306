# mypy: ignore-errors
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Alarm(_message.Message):
    __slots__ = ["attempt"]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    attempt: int
    def __init__(self, attempt: _Optional[int] = ...) -> None: ...

class AnswerTimes(_message.Message):
    __slots__ = ["at_ms", "failure", "number", "object"]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    at_ms: _containers.RepeatedScalarFieldContainer[int]
    failure: str
    number: int
    object: int
    def __init__(self, object: _Optional[int] = ..., number: _Optional[int] = ..., at_ms: _Optional[_Iterable[int]] = ..., failure: _Optional[str] = ...) -> None: ...

class AskAnswerTimes(_message.Message):
    __slots__ = ["connections", "number", "object"]
    CONNECTIONS_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    connections: _containers.RepeatedScalarFieldContainer[bytes]
    number: int
    object: int
    def __init__(self, object: _Optional[int] = ..., number: _Optional[int] = ..., connections: _Optional[_Iterable[bytes]] = ...) -> None: ...

class Backpressure(_message.Message):
    __slots__ = ["bytes", "connection", "paused"]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    bytes: int
    connection: bytes
    paused: bool
    def __init__(self, connection: _Optional[bytes] = ..., paused: bool = ..., bytes: _Optional[int] = ...) -> None: ...

class Broadcast(_message.Message):
    __slots__ = ["binary", "data", "tag"]
    BINARY_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    EXCEPT_FIELD_NUMBER: _ClassVar[int]
    TAG_FIELD_NUMBER: _ClassVar[int]
    binary: bool
    data: bytes
    tag: str
    def __init__(self, data: _Optional[bytes] = ..., binary: bool = ..., tag: _Optional[str] = ..., **kwargs) -> None: ...

class Call(_message.Message):
    __slots__ = ["hub_class", "hub_name", "number", "payload", "timeout_ms", "traceparent"]
    HUB_CLASS_FIELD_NUMBER: _ClassVar[int]
    HUB_NAME_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    hub_class: str
    hub_name: str
    number: int
    payload: bytes
    timeout_ms: int
    traceparent: str
    def __init__(self, number: _Optional[int] = ..., hub_class: _Optional[str] = ..., hub_name: _Optional[str] = ..., payload: _Optional[bytes] = ..., timeout_ms: _Optional[int] = ..., traceparent: _Optional[str] = ...) -> None: ...

class CallAnswer(_message.Message):
    __slots__ = ["failure", "number", "payload", "retryable"]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    failure: str
    number: int
    payload: bytes
    retryable: bool
    def __init__(self, number: _Optional[int] = ..., payload: _Optional[bytes] = ..., failure: _Optional[str] = ..., retryable: bool = ...) -> None: ...

class Close(_message.Message):
    __slots__ = ["by_client", "code", "connection", "reason", "socket"]
    BY_CLIENT_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    SOCKET_FIELD_NUMBER: _ClassVar[int]
    by_client: bool
    code: int
    connection: bytes
    reason: str
    socket: Socket
    def __init__(self, connection: _Optional[bytes] = ..., code: _Optional[int] = ..., reason: _Optional[str] = ..., by_client: bool = ..., socket: _Optional[_Union[Socket, _Mapping]] = ...) -> None: ...

class CloseSocket(_message.Message):
    __slots__ = ["code", "connection", "reason"]
    CODE_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    code: int
    connection: bytes
    reason: str
    def __init__(self, connection: _Optional[bytes] = ..., code: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class Durable(_message.Message):
    __slots__ = ["object", "turn"]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    TURN_FIELD_NUMBER: _ClassVar[int]
    object: int
    turn: int
    def __init__(self, object: _Optional[int] = ..., turn: _Optional[int] = ...) -> None: ...

class Effect(_message.Message):
    __slots__ = ["admit", "alarm_ms", "attachment", "auto_response", "broadcast", "close", "delete", "delete_prefix", "put", "reply", "send", "tags", "timer"]
    ADMIT_FIELD_NUMBER: _ClassVar[int]
    ALARM_MS_FIELD_NUMBER: _ClassVar[int]
    ATTACHMENT_FIELD_NUMBER: _ClassVar[int]
    AUTO_RESPONSE_FIELD_NUMBER: _ClassVar[int]
    BROADCAST_FIELD_NUMBER: _ClassVar[int]
    CLOSE_FIELD_NUMBER: _ClassVar[int]
    DELETE_FIELD_NUMBER: _ClassVar[int]
    DELETE_PREFIX_FIELD_NUMBER: _ClassVar[int]
    PUT_FIELD_NUMBER: _ClassVar[int]
    REPLY_FIELD_NUMBER: _ClassVar[int]
    SEND_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    TIMER_FIELD_NUMBER: _ClassVar[int]
    admit: bytes
    alarm_ms: int
    attachment: SetAttachment
    auto_response: SetAutoResponse
    broadcast: Broadcast
    close: CloseSocket
    delete: bytes
    delete_prefix: bytes
    put: Row
    reply: bytes
    send: Send
    tags: SetTags
    timer: SetTimer
    def __init__(self, send: _Optional[_Union[Send, _Mapping]] = ..., broadcast: _Optional[_Union[Broadcast, _Mapping]] = ..., close: _Optional[_Union[CloseSocket, _Mapping]] = ..., put: _Optional[_Union[Row, _Mapping]] = ..., delete: _Optional[bytes] = ..., delete_prefix: _Optional[bytes] = ..., attachment: _Optional[_Union[SetAttachment, _Mapping]] = ..., tags: _Optional[_Union[SetTags, _Mapping]] = ..., admit: _Optional[bytes] = ..., alarm_ms: _Optional[int] = ..., reply: _Optional[bytes] = ..., auto_response: _Optional[_Union[SetAutoResponse, _Mapping]] = ..., timer: _Optional[_Union[SetTimer, _Mapping]] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ["alarm", "backpressure", "close", "message", "now_ms", "number", "object", "open", "repeated_", "request", "timer", "wake"]
    ALARM_FIELD_NUMBER: _ClassVar[int]
    BACKPRESSURE_FIELD_NUMBER: _ClassVar[int]
    CLOSE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    NOW_MS_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    OPEN_FIELD_NUMBER: _ClassVar[int]
    REPEATED__FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    TIMER_FIELD_NUMBER: _ClassVar[int]
    WAKE_FIELD_NUMBER: _ClassVar[int]
    alarm: Alarm
    backpressure: Backpressure
    close: Close
    message: Message
    now_ms: int
    number: int
    object: int
    open: Open
    repeated_: bool
    request: Request
    timer: Timer
    wake: Wake
    def __init__(self, object: _Optional[int] = ..., number: _Optional[int] = ..., now_ms: _Optional[int] = ..., repeated_: bool = ..., wake: _Optional[_Union[Wake, _Mapping]] = ..., open: _Optional[_Union[Open, _Mapping]] = ..., message: _Optional[_Union[Message, _Mapping]] = ..., close: _Optional[_Union[Close, _Mapping]] = ..., alarm: _Optional[_Union[Alarm, _Mapping]] = ..., request: _Optional[_Union[Request, _Mapping]] = ..., backpressure: _Optional[_Union[Backpressure, _Mapping]] = ..., timer: _Optional[_Union[Timer, _Mapping]] = ...) -> None: ...

class FromWorker(_message.Message):
    __slots__ = ["ask_answer_times", "calls", "hello", "http_ended", "logs", "pong", "reads", "turns"]
    ASK_ANSWER_TIMES_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    HELLO_FIELD_NUMBER: _ClassVar[int]
    HTTP_ENDED_FIELD_NUMBER: _ClassVar[int]
    LOGS_FIELD_NUMBER: _ClassVar[int]
    PONG_FIELD_NUMBER: _ClassVar[int]
    READS_FIELD_NUMBER: _ClassVar[int]
    TURNS_FIELD_NUMBER: _ClassVar[int]
    ask_answer_times: _containers.RepeatedCompositeFieldContainer[AskAnswerTimes]
    calls: _containers.RepeatedCompositeFieldContainer[Call]
    hello: Hello
    http_ended: bool
    logs: _containers.RepeatedCompositeFieldContainer[Log]
    pong: int
    reads: _containers.RepeatedCompositeFieldContainer[Read]
    turns: _containers.RepeatedCompositeFieldContainer[Turn]
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping]] = ..., turns: _Optional[_Iterable[_Union[Turn, _Mapping]]] = ..., reads: _Optional[_Iterable[_Union[Read, _Mapping]]] = ..., calls: _Optional[_Iterable[_Union[Call, _Mapping]]] = ..., pong: _Optional[int] = ..., logs: _Optional[_Iterable[_Union[Log, _Mapping]]] = ..., ask_answer_times: _Optional[_Iterable[_Union[AskAnswerTimes, _Mapping]]] = ..., http_ended: bool = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ["lane", "protocol", "reads_only", "timers", "version"]
    LANE_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    READS_ONLY_FIELD_NUMBER: _ClassVar[int]
    TIMERS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    lane: int
    protocol: int
    reads_only: bool
    timers: bool
    version: str
    def __init__(self, protocol: _Optional[int] = ..., lane: _Optional[int] = ..., version: _Optional[str] = ..., reads_only: bool = ..., timers: bool = ...) -> None: ...

class Log(_message.Message):
    __slots__ = ["connection", "hub", "level", "text"]
    class Level(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = []
    CONNECTION_FIELD_NUMBER: _ClassVar[int]
    DEBUG: Log.Level
    ERROR: Log.Level
    HUB_FIELD_NUMBER: _ClassVar[int]
    INFO: Log.Level
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    WARN: Log.Level
    connection: bytes
    hub: str
    level: Log.Level
    text: str
    def __init__(self, level: _Optional[_Union[Log.Level, str]] = ..., hub: _Optional[str] = ..., connection: _Optional[bytes] = ..., text: _Optional[str] = ...) -> None: ...

class Message(_message.Message):
    __slots__ = ["binary", "connection", "data", "received_ms"]
    BINARY_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_MS_FIELD_NUMBER: _ClassVar[int]
    binary: bool
    connection: bytes
    data: bytes
    received_ms: int
    def __init__(self, connection: _Optional[bytes] = ..., data: _Optional[bytes] = ..., binary: bool = ..., received_ms: _Optional[int] = ...) -> None: ...

class Open(_message.Message):
    __slots__ = ["connection", "headers", "identity", "path", "query", "remote_address", "reservation", "subprotocol"]
    class Header(_message.Message):
        __slots__ = ["name", "value"]
        NAME_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        name: str
        value: str
        def __init__(self, name: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CONNECTION_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    REMOTE_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    RESERVATION_FIELD_NUMBER: _ClassVar[int]
    SUBPROTOCOL_FIELD_NUMBER: _ClassVar[int]
    connection: bytes
    headers: _containers.RepeatedCompositeFieldContainer[Open.Header]
    identity: bytes
    path: str
    query: str
    remote_address: str
    reservation: str
    subprotocol: str
    def __init__(self, connection: _Optional[bytes] = ..., path: _Optional[str] = ..., query: _Optional[str] = ..., remote_address: _Optional[str] = ..., subprotocol: _Optional[str] = ..., headers: _Optional[_Iterable[_Union[Open.Header, _Mapping]]] = ..., reservation: _Optional[str] = ..., identity: _Optional[bytes] = ...) -> None: ...

class Read(_message.Message):
    __slots__ = ["end", "keys", "limit", "number", "object", "prefix", "reverse", "start"]
    END_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    REVERSE_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    end: bytes
    keys: _containers.RepeatedScalarFieldContainer[bytes]
    limit: int
    number: int
    object: int
    prefix: bytes
    reverse: bool
    start: bytes
    def __init__(self, object: _Optional[int] = ..., number: _Optional[int] = ..., keys: _Optional[_Iterable[bytes]] = ..., start: _Optional[bytes] = ..., end: _Optional[bytes] = ..., prefix: _Optional[bytes] = ..., reverse: bool = ..., limit: _Optional[int] = ...) -> None: ...

class ReadAnswer(_message.Message):
    __slots__ = ["failure", "more", "number", "object", "rows"]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    failure: str
    more: bool
    number: int
    object: int
    rows: _containers.RepeatedCompositeFieldContainer[Row]
    def __init__(self, object: _Optional[int] = ..., number: _Optional[int] = ..., rows: _Optional[_Iterable[_Union[Row, _Mapping]]] = ..., more: bool = ..., failure: _Optional[str] = ...) -> None: ...

class Request(_message.Message):
    __slots__ = ["payload"]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    payload: bytes
    def __init__(self, payload: _Optional[bytes] = ...) -> None: ...

class Row(_message.Message):
    __slots__ = ["key", "value"]
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    key: bytes
    value: bytes
    def __init__(self, key: _Optional[bytes] = ..., value: _Optional[bytes] = ...) -> None: ...

class Send(_message.Message):
    __slots__ = ["binary", "connection", "data"]
    BINARY_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    binary: bool
    connection: bytes
    data: bytes
    def __init__(self, connection: _Optional[bytes] = ..., data: _Optional[bytes] = ..., binary: bool = ...) -> None: ...

class SetAttachment(_message.Message):
    __slots__ = ["attachment", "connection"]
    ATTACHMENT_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_FIELD_NUMBER: _ClassVar[int]
    attachment: bytes
    connection: bytes
    def __init__(self, connection: _Optional[bytes] = ..., attachment: _Optional[bytes] = ...) -> None: ...

class SetAutoResponse(_message.Message):
    __slots__ = ["connection", "reply", "request"]
    CONNECTION_FIELD_NUMBER: _ClassVar[int]
    REPLY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    connection: bytes
    reply: bytes
    request: bytes
    def __init__(self, connection: _Optional[bytes] = ..., request: _Optional[bytes] = ..., reply: _Optional[bytes] = ...) -> None: ...

class SetTags(_message.Message):
    __slots__ = ["connection", "tags"]
    CONNECTION_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    connection: bytes
    tags: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, connection: _Optional[bytes] = ..., tags: _Optional[_Iterable[str]] = ...) -> None: ...

class SetTimer(_message.Message):
    __slots__ = ["due_ms", "name"]
    DUE_MS_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    due_ms: int
    name: str
    def __init__(self, name: _Optional[str] = ..., due_ms: _Optional[int] = ...) -> None: ...

class Socket(_message.Message):
    __slots__ = ["attachment", "connected_ms", "connection", "tags"]
    ATTACHMENT_FIELD_NUMBER: _ClassVar[int]
    CONNECTED_MS_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    attachment: bytes
    connected_ms: int
    connection: bytes
    tags: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, connection: _Optional[bytes] = ..., connected_ms: _Optional[int] = ..., attachment: _Optional[bytes] = ..., tags: _Optional[_Iterable[str]] = ...) -> None: ...

class Timer(_message.Message):
    __slots__ = ["attempt", "name"]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    attempt: int
    name: str
    def __init__(self, name: _Optional[str] = ..., attempt: _Optional[int] = ...) -> None: ...

class ToWorker(_message.Message):
    __slots__ = ["answer_times", "calls", "drops", "durable", "end_http", "events", "ping", "reads"]
    ANSWER_TIMES_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    DROPS_FIELD_NUMBER: _ClassVar[int]
    DURABLE_FIELD_NUMBER: _ClassVar[int]
    END_HTTP_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    PING_FIELD_NUMBER: _ClassVar[int]
    READS_FIELD_NUMBER: _ClassVar[int]
    answer_times: _containers.RepeatedCompositeFieldContainer[AnswerTimes]
    calls: _containers.RepeatedCompositeFieldContainer[CallAnswer]
    drops: _containers.RepeatedScalarFieldContainer[int]
    durable: _containers.RepeatedCompositeFieldContainer[Durable]
    end_http: bool
    events: _containers.RepeatedCompositeFieldContainer[Event]
    ping: int
    reads: _containers.RepeatedCompositeFieldContainer[ReadAnswer]
    def __init__(self, events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ..., reads: _Optional[_Iterable[_Union[ReadAnswer, _Mapping]]] = ..., calls: _Optional[_Iterable[_Union[CallAnswer, _Mapping]]] = ..., durable: _Optional[_Iterable[_Union[Durable, _Mapping]]] = ..., drops: _Optional[_Iterable[int]] = ..., ping: _Optional[int] = ..., answer_times: _Optional[_Iterable[_Union[AnswerTimes, _Mapping]]] = ..., end_http: bool = ...) -> None: ...

class Turn(_message.Message):
    __slots__ = ["done", "effects", "event", "failure", "hold", "number", "object"]
    DONE_FIELD_NUMBER: _ClassVar[int]
    EFFECTS_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    HOLD_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    done: bool
    effects: _containers.RepeatedCompositeFieldContainer[Effect]
    event: int
    failure: str
    hold: bool
    number: int
    object: int
    def __init__(self, object: _Optional[int] = ..., event: _Optional[int] = ..., done: bool = ..., failure: _Optional[str] = ..., effects: _Optional[_Iterable[_Union[Effect, _Mapping]]] = ..., hold: bool = ..., number: _Optional[int] = ...) -> None: ...

class Wake(_message.Message):
    __slots__ = ["alarm_ms", "complete", "hub_class", "hub_name", "max_state", "max_timers", "rows", "sockets", "timers"]
    ALARM_MS_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    HUB_CLASS_FIELD_NUMBER: _ClassVar[int]
    HUB_NAME_FIELD_NUMBER: _ClassVar[int]
    MAX_STATE_FIELD_NUMBER: _ClassVar[int]
    MAX_TIMERS_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    SOCKETS_FIELD_NUMBER: _ClassVar[int]
    TIMERS_FIELD_NUMBER: _ClassVar[int]
    alarm_ms: int
    complete: bool
    hub_class: str
    hub_name: str
    max_state: int
    max_timers: int
    rows: _containers.RepeatedCompositeFieldContainer[Row]
    sockets: _containers.RepeatedCompositeFieldContainer[Socket]
    timers: _containers.RepeatedCompositeFieldContainer[SetTimer]
    def __init__(self, hub_class: _Optional[str] = ..., hub_name: _Optional[str] = ..., sockets: _Optional[_Iterable[_Union[Socket, _Mapping]]] = ..., rows: _Optional[_Iterable[_Union[Row, _Mapping]]] = ..., complete: bool = ..., alarm_ms: _Optional[int] = ..., max_state: _Optional[int] = ..., timers: _Optional[_Iterable[_Union[SetTimer, _Mapping]]] = ..., max_timers: _Optional[int] = ...) -> None: ...
