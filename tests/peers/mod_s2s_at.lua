-- Federation without name servers: s2s_at names the port on loopback of every other domain.
module:set_global();

local found, service = pcall(require, "prosody.net.resolvers.service");
if not found then service = require "net.resolvers.service"; end
local found_manual, manual = pcall(require, "prosody.net.resolvers.manual");
if not found_manual then manual = require "net.resolvers.manual"; end

local ports = module:get_option("s2s_at", {});
local by_records = service.new;

function service.new(host, kind, conn_type, extra)
	local port = ports[host];
	if not port then return by_records(host, kind, conn_type, extra); end
	-- A second list, of hosts with TLS from the first byte, stays empty.
	local targets = kind == "xmpp-server" and { { "tcp4", "127.0.0.1", port, extra } } or {};
	return manual.new(targets, conn_type, extra);
end
