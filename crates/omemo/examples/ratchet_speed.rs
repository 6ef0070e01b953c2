//! Prints how many messages a second pass through the whole machine, and how many megabytes of
//! media: `cargo run --release --example ratchet_speed`.

#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::{
    error::Error,
    time::{Duration, Instant},
};

use getrandom::{SysRng, rand_core::UnwrapErr};
use omemo::{
    Address, MemoryStore, Namespace, Store, machine,
    media::{MediaDecryptor, MediaEncryptor, MediaSecret},
};

const NOW: u64 = 1_800_000_000;
const MESSAGES: u32 = 3000;
const MEDIA_BYTES: usize = 256 << 20;
const PIECE_BYTES: usize = 64 << 10;

type Outcome<T> = Result<T, Box<dyn Error>>;

struct Side {
    store: MemoryStore,
    address: Address,
}

fn main() -> Outcome<()> {
    let mut rng = UnwrapErr(SysRng);
    let mut sides = [enrol("a@example")?, enrol("b@example")?];
    let bundle = machine::own_bundle(&sides[1].store, Namespace::Legacy)?.ok_or("no bundle")?;
    let started =
        machine::start_session(&sides[0].store, &sides[1].address, &bundle, &mut rng, NOW)?;
    sides[0].store.apply(started)?;
    pass(&mut sides, 0)?;
    pass(&mut sides, 1)?;

    let mut spent = [Duration::ZERO; 2];
    for _ in 0..MESSAGES {
        add(&mut spent, pass(&mut sides, 0)?);
    }
    print_messages("in one chain", spent);

    let mut spent = [Duration::ZERO; 2];
    for number in 0..MESSAGES {
        add(&mut spent, pass(&mut sides, usize::from(number % 2 == 0))?);
    }
    print_messages("with a turn of the ratchet each", spent);

    measure_media()
}

fn enrol(jid: &str) -> Outcome<Side> {
    let mut store = MemoryStore::new();
    let (own, changes) = machine::enrol(&mut UnwrapErr(SysRng), NOW);
    store.apply(changes)?;
    Ok(Side {
        store,
        address: Address::new(jid, own.device()),
    })
}

/// Sends one message from one side to the other; returns the time of sending and of receiving,
/// each with its reading and saving of the session.
fn pass(sides: &mut [Side; 2], from: usize) -> Outcome<[Duration; 2]> {
    let to = [sides[1 - from].address.clone()];
    let begun = Instant::now();
    let (envelope, changes) = machine::encrypt(
        &sides[from].store,
        Namespace::Legacy,
        &to,
        Some(b"a line of text"),
        &mut UnwrapErr(SysRng),
        NOW,
    )?;
    sides[from].store.apply(changes)?;
    let sent = begun.elapsed();
    let jid = sides[from].address.jid.clone();
    let begun = Instant::now();
    let (_, changes) = machine::receive(&sides[1 - from].store, &jid, &envelope, NOW)?;
    sides[1 - from].store.apply(changes)?;
    Ok([sent, begun.elapsed()])
}

fn add(spent: &mut [Duration; 2], more: [Duration; 2]) {
    for (sum, more) in spent.iter_mut().zip(more) {
        *sum += more;
    }
}

fn print_messages(what: &str, [sent, received]: [Duration; 2]) {
    let each = |it: Duration| it.as_secs_f64() / f64::from(MESSAGES);
    println!(
        "{what}: {:.0} messages/s sent ({:.1} us), {:.0} messages/s received ({:.1} us)",
        1.0 / each(sent),
        each(sent) * 1e6,
        1.0 / each(received),
        each(received) * 1e6,
    );
}

fn measure_media() -> Outcome<()> {
    let secret = MediaSecret::random(&mut UnwrapErr(SysRng));
    let piece = vec![0xA5; PIECE_BYTES];
    let mut out = Vec::with_capacity(PIECE_BYTES + 64);
    let megabytes = MEDIA_BYTES as f64 / 1e6;

    let mut encryptor = MediaEncryptor::new(&secret);
    let begun = Instant::now();
    for _ in 0..MEDIA_BYTES / PIECE_BYTES {
        out.clear();
        encryptor.update(&piece, &mut out)?;
    }
    let _tag = encryptor.finish();
    println!(
        "media encrypted: {:.0} MB/s",
        megabytes / begun.elapsed().as_secs_f64()
    );

    let mut decryptor = MediaDecryptor::new(&secret);
    let begun = Instant::now();
    for _ in 0..MEDIA_BYTES / PIECE_BYTES {
        out.clear();
        decryptor.update(&piece, &mut out)?;
    }
    println!(
        "media decrypted: {:.0} MB/s",
        megabytes / begun.elapsed().as_secs_f64()
    );
    Ok(())
}
