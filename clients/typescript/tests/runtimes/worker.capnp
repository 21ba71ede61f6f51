using Workerd = import "/workerd/workerd.capnp";

# The client as a Worker. Its network may reach this machine, where the test's gateway is.
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "internet", network = (allow = ["public", "private"])),
  ],
  sockets = [(name = "http", http = (), service = "main")],
);

const worker :Workerd.Worker = (
  compatibilityDate = "2025-01-01",
  modules = [
    (name = "worker.js", esModule = embed "worker.js"),
    (name = "anywhere.js", esModule = embed "anywhere.js"),
    (name = "@swap-pay/client", esModule = embed "node_modules/@swap-pay/client/dist/index.js"),
    (name = "@swap-pay/amounts.js", esModule = embed "node_modules/@swap-pay/client/dist/amounts.js"),
    (name = "@swap-pay/client.js", esModule = embed "node_modules/@swap-pay/client/dist/client.js"),
    (name = "@swap-pay/errors.js", esModule = embed "node_modules/@swap-pay/client/dist/errors.js"),
    (name = "@swap-pay/http.js", esModule = embed "node_modules/@swap-pay/client/dist/http.js"),
    (name = "@swap-pay/pages.js", esModule = embed "node_modules/@swap-pay/client/dist/pages.js"),
    (name = "@swap-pay/webhooks.js", esModule = embed "node_modules/@swap-pay/client/dist/webhooks.js"),
  ],
);
