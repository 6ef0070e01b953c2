//! A reader and writer of slots and blobs straight from `docs/formats`, in the simplest way: all in
//! memory, with the `hpke`, `cobblestone` and `aes-gcm` crates and nothing of our own.

use aes_gcm::{
    Aes256Gcm, KeyInit as _,
    aead::{Aead as _, Payload},
};
use cobblestone::{Key256, decrypt, encrypt};
use hmac::{Hmac, Mac as _};
use hpke::{
    Deserializable as _, Kem as _, OpModeR, OpModeS, Serializable as _, aead::AesGcm256,
    kdf::HkdfSha256, kem::XWing, single_shot_open, single_shot_seal_with_rng,
};
use rand_core::UnwrapErr;
use sha2::{Digest as _, Sha256};

/// What an independent reader finds in a blob.
pub(crate) struct Found {
    pub(crate) content: Vec<u8>,
    pub(crate) padding: Vec<u8>,
    pub(crate) record: Vec<u8>,
}

/// HKDF-Expand-SHA-256 for one block, written out: HMAC(prk, info ‖ 01).
pub(crate) fn expand(secret: &[u8], label: &str) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    mac.update(b"strongroom/v1/");
    mac.update(label.as_bytes());
    mac.update(&[1]);
    mac.finalize().into_bytes().into()
}

fn private(secret: &[u8], label: &str) -> <XWing as hpke::kem::Kem>::PrivateKey {
    <XWing as hpke::kem::Kem>::PrivateKey::from_bytes(&expand(secret, label)).unwrap()
}

fn hpke_open(
    private: &<XWing as hpke::kem::Kem>::PrivateKey,
    purpose: &str,
    aad: &[u8],
    sealed: &[u8],
) -> Option<Vec<u8>> {
    let (enc, ciphertext) = sealed.split_at(1120);
    let enc = <XWing as hpke::kem::Kem>::EncappedKey::from_bytes(enc).unwrap();
    let info = format!("strongroom/v1/{purpose}");
    single_shot_open::<AesGcm256, HkdfSha256, XWing>(
        &OpModeR::Base,
        private,
        &enc,
        info.as_bytes(),
        ciphertext,
        aad,
    )
    .ok()
}

/// Opens a slot record and returns the epoch secret and the slot's name.
pub(crate) fn open_slot(slot_secret: &[u8], record: &[u8]) -> Option<(Vec<u8>, String)> {
    assert_eq!(record.len(), 2532);
    assert_eq!(&record[..12], b"SRSLOT\0\0\0\0\0\x01");
    let aad = &record[..1264];
    let private = private(slot_secret, "slot-key-pair");
    assert_eq!(
        XWing::sk_to_pk(&private).to_bytes().as_slice(),
        &record[48..1264]
    );
    let hash = Sha256::digest([b"strongroom/v1/slot-id".as_slice(), &record[48..1264]].concat());
    assert_eq!(&hash[..16], &record[28..44]);
    let epoch_secret = hpke_open(&private, "slot", aad, &record[1264..2432])?;
    let label = open_record(&expand(&epoch_secret, "slot-label"), aad, &record[2432..])?;
    let name = String::from_utf8(label[9..9 + usize::from(label[8] & 0x3F)].to_vec()).unwrap();
    Some((epoch_secret, name))
}

/// Opens a sealed record, and checks that its nonce is the one the document names.
pub(crate) fn open_record(key: &[u8; 32], aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let cipher = Aes256Gcm::new_from_slice(&expand(key, "record-cipher")).unwrap();
    let (nonce, body) = sealed.split_at(12);
    let nonce_array: [u8; 12] = nonce.try_into().unwrap();
    let plain = cipher
        .decrypt(&nonce_array.into(), Payload { msg: body, aad })
        .ok()?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&expand(key, "record-nonce")).unwrap();
    mac.update(&(aad.len() as u64).to_be_bytes());
    mac.update(aad);
    mac.update(&plain);
    assert_eq!(&mac.finalize().into_bytes()[..12], nonce);
    Some(plain)
}

/// Opens a blob with its epoch's secret.
pub(crate) fn open_blob(epoch_secret: &[u8], blob: &[u8]) -> Option<Found> {
    assert_eq!(&blob[..12], b"SRBLOB\0\0\0\0\0\x01");
    let private = private(epoch_secret, "epoch-key-pair");
    let file_key = hpke_open(&private, "file-key", &blob[..48], &blob[48..1216])?;
    let key = Key256::try_from(file_key.as_slice()).unwrap();
    let context = [&[0, 0, 0, 1], &blob[12..28], &blob[28..44]].concat();
    let message = decrypt(&key, &context, &blob[1216..]).ok()?;
    let (rest, record) = message.split_at(message.len() - 4096);
    let size = usize::try_from(u64::from_be_bytes(record[2..10].try_into().unwrap())).unwrap();
    assert_eq!(padme(size + 4096), message.len());
    let (content, padding) = rest.split_at(size);
    assert_eq!(blake3::hash(content).as_bytes().as_slice(), &record[10..42]);
    Some(Found {
        content: content.to_vec(),
        padding: padding.to_vec(),
        record: record.to_vec(),
    })
}

/// Padmé with floating point, as the paper's own text has it.
pub(crate) fn padme(length: usize) -> usize {
    let e = (length as f64).log2().floor();
    let s = e.log2().floor() + 1.0;
    let unit = 2_usize.pow((e - s).max(0.0) as u32);
    length.div_ceil(unit) * unit
}

/// A metadata record with a name, for a content of this size and hash.
pub(crate) fn record(size: u64, content_hash: &[u8], name: &str) -> Vec<u8> {
    let mut record = vec![0, 0];
    record.extend_from_slice(&size.to_be_bytes());
    record.extend_from_slice(content_hash);
    record.extend_from_slice(&1_790_000_000_000_i64.to_be_bytes());
    record.extend_from_slice(&i64::MIN.to_be_bytes());
    record.push(1);
    record.extend_from_slice(&u16::try_from(name.len()).unwrap().to_be_bytes());
    record.extend_from_slice(name.as_bytes());
    record.resize(4096, 0);
    record
}

/// The message that a content leads to.
pub(crate) fn message(content: &[u8], name: &str) -> Vec<u8> {
    let mut message = content.to_vec();
    message.resize(padme(content.len() + 4096) - 4096, 0);
    message.extend(record(
        content.len() as u64,
        blake3::hash(content).as_bytes(),
        name,
    ));
    message
}

/// Seals any message, well or badly formed, as a blob of epoch 1.
pub(crate) fn seal_blob(
    epoch_secret: &[u8],
    vault: &[u8; 16],
    blob: &[u8; 16],
    message: &[u8],
) -> Vec<u8> {
    let file_key = [0x42; 32];
    let mut head = b"SRBLOB\0\0\0\0\0\x01".to_vec();
    head.extend_from_slice(vault);
    head.extend_from_slice(blob);
    head.extend_from_slice(&1_u32.to_be_bytes());
    let public = XWing::sk_to_pk(&private(epoch_secret, "epoch-key-pair"));
    let (enc, sealed) = single_shot_seal_with_rng::<AesGcm256, HkdfSha256, XWing>(
        &OpModeS::Base,
        &public,
        b"strongroom/v1/file-key",
        &file_key,
        &head,
        &mut UnwrapErr(getrandom::SysRng),
    )
    .unwrap();
    let context = [&[0, 0, 0, 1], vault.as_slice(), blob].concat();
    let body = encrypt(&Key256::from_bytes(&file_key), &context, message).unwrap();
    [head, enc.to_bytes().to_vec(), sealed, body].concat()
}
