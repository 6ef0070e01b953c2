-- Prosody on loopback for one test. The words between at signs are filled in by server.rs, and by stage.py for the demo.
run_as_root = @RUN_AS_ROOT@
daemonize = false
pidfile = "@BASE@/prosody.pid"
plugin_paths = { "@BASE@" }
data_path = "@BASE@/data"
interfaces = { "127.0.0.1" }
local_interfaces = { "127.0.0.1" }
c2s_ports = { @C2S@ }
c2s_direct_tls_ports = { @DIRECT_TLS@ }
s2s_ports = { }
http_ports = { }
https_ports = { @HTTPS@ }
https_interfaces = { "127.0.0.1" }
-- One literal table: Prosody appends nothing to it. No "groups": subscriptions are made by hand.
modules_enabled = {
  "roster", "saslauth", "tls", "disco", "carbons", "pep", "blocklist", "ping", "private",
  "smacks", "mam", "csi_simple", "offline", "time", "version", "http", "limits",
}
modules_disabled = { "s2s" }
authentication = "internal_hashed"
-- Without this only SCRAM-SHA-1 is offered.
password_hash = "SHA-256"
storage = "internal"
c2s_require_encryption = true
allow_registration = false
archive_expires_after = "1d"
default_archive_policy = true
limits = { c2s = { rate = "1000mb/s" } }
log = { @LOG_LEVEL@ = "@BASE@/server.log" }
ssl = { key = "@BASE@/server.key", certificate = "@BASE@/server.crt" }
https_ssl = { key = "@BASE@/server.key", certificate = "@BASE@/server.crt" }
c2s_direct_tls_ssl = { key = "@BASE@/server.key", certificate = "@BASE@/server.crt" }

VirtualHost "localhost"
VirtualHost "home.test"

Component "upload.localhost" "http_file_share"
  http_host = "localhost"
  http_external_url = "https://localhost:@HTTPS@/"
  http_file_share_size_limit = @LIMIT_MIB@ * 1024 * 1024
  http_file_share_daily_quota = 64 * 1024 * 1024 * 1024
  http_file_share_expires_after = 86400
