//! The transfer room against a real upload service: slots of Prosody, in and out.

use std::{fs, io, path::Path, time::Duration};

use serde_json::json;
use strongroom::transfer::{
    Client, FetchError, Limits, Patience, PutError, Rules, Upload,
    tls::{Trust, client_config},
};
use tokio::sync::mpsc;

use crate::{
    phone::{Phone, text},
    prosody::Prosody,
};

const LIMITS: Limits = Limits {
    max_bytes: 64 << 20,
};

fn client(server: &Prosody) -> Client {
    let trust = Trust::Authority(fs::read(server.authority()).unwrap());
    let pin = format!("localhost:{}", server.https_port())
        .parse()
        .unwrap();
    let rules = Rules::new(vec![pin], None);
    Client::new(client_config(&trust).unwrap(), rules, Patience::default())
}

async fn fetch(client: &Client, url: &str) -> Result<Vec<u8>, FetchError> {
    let mut download = client.fetch(url, LIMITS).await?;
    let mut whole = Vec::new();
    while let Some(chunk) = download.chunk().await? {
        whole.extend_from_slice(&chunk);
    }
    assert_eq!(download.announced(), Some(whole.len() as u64));
    Ok(whole)
}

/// A slot as the server granted it.
struct Slot {
    put: String,
    get: String,
    headers: Vec<(String, String)>,
}

impl Slot {
    fn ask(phone: &mut Phone, size: usize) -> Self {
        let slot = phone.order("slot", json!({ "name": "photo 1.jpg", "size": size }));
        let headers = slot["headers"].as_array().unwrap();
        Self {
            put: text(&slot["put"]),
            get: text(&slot["get"]),
            headers: headers
                .iter()
                .map(|it| (text(&it[0]), text(&it[1])))
                .collect(),
        }
    }

    async fn fill(&self, client: &Client, bytes: &[u8]) -> Result<(), PutError> {
        let upload = Upload {
            url: &self.put,
            headers: &self.headers,
            length: bytes.len() as u64,
            content_type: "application/octet-stream",
        };
        let (sender, body) = mpsc::channel::<io::Result<bytes::Bytes>>(1);
        let chunks: Vec<_> = bytes
            .chunks(1 << 16)
            .map(bytes::Bytes::copy_from_slice)
            .collect();
        tokio::spawn(async move {
            for chunk in chunks {
                // The upload may have ended early, which its result tells.
                sender.send(Ok(chunk)).await.ok();
            }
        });
        client.put(&upload, body).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_into_a_slot_of_prosody_comes_out_of_it() {
    let server = Prosody::start(&["alice"]);
    let mut alice = Phone::start(&server, "alice");
    let client = client(&server);

    for size in [1, 16, 65_536, 20 << 20] {
        let bytes: Vec<u8> = (0..size)
            .map(|it: usize| (it / 3).to_le_bytes()[0])
            .collect();
        let slot = Slot::ask(&mut alice, size);
        let too_early = fetch(&client, &slot.get).await.unwrap_err();
        assert!(
            matches!(too_early, FetchError::NotFound { .. }),
            "{too_early:?}"
        );

        assert_eq!(slot.fill(&client, &bytes).await, Ok(()));

        assert!(
            fetch(&client, &slot.get).await.unwrap() == bytes,
            "{size} bytes"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn prosody_takes_nothing_that_a_slot_does_not_allow() {
    let server = Prosody::start(&["alice"]);
    let mut alice = Phone::start(&server, "alice");
    let client = client(&server);
    let mut slot = Slot::ask(&mut alice, 1000);

    // Another length than the slot was asked for with, and no token.
    let longer = slot.fill(&client, &[0; 1001]).await.unwrap_err();
    let headers = std::mem::take(&mut slot.headers);
    let nameless = slot.fill(&client, &[0; 1000]).await.unwrap_err();

    for error in [longer, nameless] {
        assert!(
            matches!(error, PutError::Status(400..=499) | PutError::TooLarge),
            "{error:?}"
        );
        assert!(!error.is_transient());
    }
    slot.headers = headers;
    assert_eq!(slot.fill(&client, &[0; 1000]).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phones_file_is_fetched_as_it_was_uploaded() {
    let server = Prosody::start(&["alice"]);
    let folder = tempfile::tempdir().unwrap();
    let mut alice = Phone::start(&server, "alice");
    let sealed = sealed(&mut alice, folder.path());
    let path = sealed.to_str().unwrap();
    let url = text(&alice.order("upload", json!({ "path": path, "name": "größe.jpg" }))["url"]);

    let fetched = fetch(&client(&server), &format!("{url}#{}", "00".repeat(44)))
        .await
        .unwrap();

    assert!(fetched == fs::read(&sealed).unwrap());
    // A stopped server is a matter of time.
    let client = client(&server);
    drop(server);
    let error = tokio::time::timeout(Duration::from_secs(60), fetch(&client, &url)).await;
    assert!(error.unwrap().unwrap_err().is_transient());
}

fn sealed(phone: &mut Phone, folder: &Path) -> std::path::PathBuf {
    let (plain, sealed) = (folder.join("plain"), folder.join("sealed"));
    fs::write(&plain, vec![7; 300_000]).unwrap();
    phone.order("encrypt", json!({ "path": plain, "out": sealed }));
    sealed
}
