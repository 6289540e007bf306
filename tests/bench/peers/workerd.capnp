using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [(name = "job", worker = .job)],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "job")],
);

const job :Workerd.Worker = (
  modules = [(name = "job", esModule = embed "job.js")],
  compatibilityDate = "2025-01-01",
  durableObjectNamespaces = [(className = "Room", uniqueKey = "room")],
  durableObjectStorage = (inMemory = void),
  bindings = [(name = "ROOM", durableObjectNamespace = "Room")],
);
