run_as_root = true
daemonize = false
pidfile = "@FOLDER@/prosody.pid"
data_path = "@FOLDER@/data"
plugin_paths = { "@FOLDER@/modules" }
interfaces = { "127.0.0.1" }
local_interfaces = { "127.0.0.1" }
c2s_ports = { @STARTTLS@ }
c2s_direct_tls_ports = { @DIRECT@ }
s2s_ports = { }
http_ports = { @HTTP@ }
http_interfaces = { "127.0.0.1" }
https_ports = { }
modules_enabled = { "roster", "saslauth", "tls", "disco", "carbons", "pep", "ping", "smacks", "mam",
  "offline", "stanza_debug", "strange" }
modules_disabled = { "s2s" }
authentication = "internal_plain"
storage = "internal"
c2s_require_encryption = true
c2s_stanza_size_limit = 16 * 1024 * 1024
allow_registration = false
archive_expires_after = "never"
default_archive_policy = true
smacks_hibernation_time = 300
log = { { levels = { min = "debug" }, to = "console" } }
ssl = { key = "@FOLDER@/server.key", certificate = "@FOLDER@/server.crt" }
c2s_direct_tls_ssl = { key = "@FOLDER@/server.key", certificate = "@FOLDER@/server.crt" }
VirtualHost "localhost"
VirtualHost "plain.localhost"
  modules_disabled = { "smacks" }
  disable_sasl_mechanisms = { "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS",
    "SCRAM-SHA-256-PLUS", "DIGEST-MD5", "EXTERNAL" }
VirtualHost "other.test"
Component "upload.localhost" "http_file_share"
  http_host = "localhost"
  http_external_url = "https://localhost:@HTTP@/"
  http_file_share_size_limit = 1024 * 1024
