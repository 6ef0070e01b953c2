//! A foreign OMEMO library in a process of its own, spoken to in JSON lines.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use omemo::{Bundle, DeviceId, Envelope, HeaderKey, Namespace};
use serde_json::{Value, json};

/// A library, running.
pub struct Foreign {
    /// The namespace it speaks.
    pub namespace: Namespace,
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Foreign {
    /// Starts the library `name`.
    pub fn start(name: &str, namespace: Namespace) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/differential")
            .join(format!("peer_{name}.py"));
        let mut child = Command::new(python())
            .arg("-B")
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("python starts");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self {
            namespace,
            child,
            input,
            output,
        }
    }

    /// Asks `peer` for an operation.
    pub fn ask(&mut self, peer: usize, op: &str, mut request: Value) -> Value {
        request["peer"] = json!(peer);
        request["op"] = json!(op);
        let input = self.input.as_mut().unwrap();
        writeln!(input, "{request}").expect("the peer reads");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the peer answers");
        assert!(
            !line.is_empty(),
            "the peer ended during {op}: is its library in that python?"
        );
        serde_json::from_str(&line).unwrap_or_else(|why| panic!("{op}: {line:?}: {why}"))
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        // the end of its input ends the process
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

fn python() -> PathBuf {
    if let Some(given) = env::var_os("STRONGROOM_PEERS_PYTHON") {
        return given.into();
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap();
    let made = root.join("target/peers-venv/bin/python");
    assert!(
        made.exists(),
        "the foreign OMEMO libraries are not installed: run `make setup`, or set \
         STRONGROOM_PEERS_PYTHON to a python that has oldmemo, twomemo and omemo-dr"
    );
    made
}

pub fn bundle_to_json(bundle: &Bundle) -> Value {
    json!({
        "identity_key": hex::encode(&bundle.identity_key),
        "signed_prekey_id": bundle.signed_prekey_id,
        "signed_prekey": hex::encode(&bundle.signed_prekey),
        "signature": hex::encode(&bundle.signed_prekey_signature),
        "prekeys": bundle
            .prekeys
            .iter()
            .map(|(id, key)| json!([id, hex::encode(key)]))
            .collect::<Vec<_>>(),
    })
}

pub fn bundle_from_json(namespace: Namespace, bundle: &Value) -> Bundle {
    Bundle {
        namespace,
        identity_key: bytes(&bundle["identity_key"]),
        signed_prekey_id: number(&bundle["signed_prekey_id"]),
        signed_prekey: bytes(&bundle["signed_prekey"]),
        signed_prekey_signature: bytes(&bundle["signature"]),
        prekeys: bundle["prekeys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| (number(&it[0]), bytes(&it[1])))
            .collect(),
    }
}

pub fn envelope_to_json(envelope: &Envelope) -> Value {
    json!({
        "sid": envelope.sender.0,
        "iv": hex::encode(&envelope.iv),
        "payload": envelope.payload.as_ref().map(hex::encode),
        "keys": envelope
            .keys
            .iter()
            .map(|key| json!({
                "jid": key.jid,
                "rid": key.device.0,
                "prekey": key.key_exchange,
                "data": hex::encode(&key.data),
            }))
            .collect::<Vec<_>>(),
    })
}

pub fn envelope_from_json(namespace: Namespace, message: &Value) -> Envelope {
    Envelope {
        namespace,
        sender: DeviceId(number(&message["sid"])),
        keys: message["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| HeaderKey {
                jid: key["jid"].as_str().map(str::to_owned),
                device: DeviceId(number(&key["rid"])),
                key_exchange: key["prekey"].as_bool().unwrap(),
                data: bytes(&key["data"]),
            })
            .collect(),
        iv: bytes(&message["iv"]),
        payload: message["payload"]
            .as_str()
            .map(|it| hex::decode(it).unwrap()),
    }
}

pub fn number(value: &Value) -> u32 {
    value.as_u64().unwrap().try_into().unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}
