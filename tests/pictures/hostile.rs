//! A thousand broken pictures, with good ones between them.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use image::{DynamicImage, ImageFormat};

use crate::{Atelier, made};

/// How many broken pictures there are.
const BROKEN: usize = 1_000;
/// After so many of them a good one has to be drawn.
const EVERY: usize = 50;
/// What the asking side may grow by, in kB: its allocator's own slack.
const SLACK_KB: u64 = 8 * 1024;

/// Memory of this process, which has the daemon's part, in kB.
fn resident_kb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:"));
    let digits = line.unwrap().trim().trim_end_matches(" kB");
    digits.parse().unwrap()
}

/// Repeatable numbers.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % most.max(1)
    }
}

fn good() -> Vec<Vec<u8>> {
    let picture = made::halves(640, 480);
    let with_alpha = DynamicImage::ImageRgba8(made::halves(200, 150).to_rgba8());
    let jpeg = made::encoded(&picture, ImageFormat::Jpeg);
    vec![
        made::noted(&jpeg, &made::notes()),
        made::encoded(&picture, ImageFormat::Png),
        made::encoded(&with_alpha, ImageFormat::Gif),
        made::encoded(&picture, ImageFormat::WebP),
    ]
}

/// Pictures that promise far more than they hold, or point at themselves.
fn bombs(good: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let [jpeg, png, gif, webp] = good else {
        unreachable!("four formats");
    };
    let notes = made::notes();
    // The first directory of the notes is followed by itself.
    let mut loops = notes.clone();
    let count = usize::from(u16::from_be_bytes([loops[8], loops[9]]));
    let next = 10 + 12 * count;
    loops[next..next + 4].copy_from_slice(&8_u32.to_be_bytes());
    let plain = made::encoded(&made::halves(64, 64), ImageFormat::Jpeg);
    let mut huge_webp = webp.clone();
    let end = huge_webp.len().min(40);
    huge_webp[20..end].fill(0xFF);
    vec![
        made::resized_png(png, 65_535, 65_535),
        made::resized_png(png, 7_999, 7_999),
        made::resized_png(png, u32::MAX, 1),
        made::resized_png(png, 0, 0),
        made::resized_jpeg(jpeg, 65_500, 65_500),
        made::resized_jpeg(jpeg, 7_999, 7_999),
        made::resized_jpeg(jpeg, 0, 0),
        made::resized_gif(gif, 65_535, 65_535),
        made::resized_gif(gif, 7_999, 7_999),
        huge_webp,
        made::noted(&plain, &loops),
        made::noted(jpeg, &[0xFF; 65_000]),
        [b"GIF89a".as_slice(), &[0xFF; 3_000]].concat(),
        [b"RIFF\xff\xff\xff\xffWEBPVP8X".as_slice(), &[0xFF; 3_000]].concat(),
        [[0xFF, 0xD8, 0xFF].as_slice(), &[0xFF; 100_000]].concat(),
        Vec::new(),
    ]
}

fn broken(good: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut picture = good[dice.below(good.len())].clone();
    match dice.below(4) {
        0 => picture.truncate(dice.below(picture.len())),
        1 => {
            let from = dice.below(picture.len());
            let to = (from + 1 + dice.below(200)).min(picture.len());
            picture[from..to].fill(0xFF);
        }
        2 => {
            let other = &good[dice.below(good.len())];
            let at = dice.below(picture.len());
            picture.truncate(at);
            picture.extend(&other[dice.below(other.len())..]);
        }
        _ => {
            for _ in 0..=dice.below(30) {
                let at = dice.below(picture.len());
                picture[at] ^= 1 << dice.below(8);
            }
        }
    }
    picture
}

#[test]
fn a_thousand_broken_pictures_do_no_harm_and_good_ones_between_them_are_drawn() {
    let atelier = Atelier::new();
    let good = good();
    let mut dice = Dice(7);
    let mut pictures = bombs(&good);
    while pictures.len() < BROKEN {
        pictures.push(broken(&good, &mut dice));
    }
    for content in &good {
        assert!(atelier.thumbnail(content).is_some(), "the control");
    }
    let before = resident_kb();
    let (mut drawn, mut plain, mut longest) = (0, 0, Duration::ZERO);

    for (at, content) in pictures.iter().enumerate() {
        let begun = Instant::now();
        match atelier.thumbnail(content) {
            Some(_) => drawn += 1,
            None => plain += 1,
        }
        longest = longest.max(begun.elapsed());
        if at % EVERY == 0 {
            let honest = &good[at / EVERY % good.len()];
            assert!(
                atelier.thumbnail(honest).is_some(),
                "the honest one after {at}"
            );
        }
    }

    let grown = resident_kb().saturating_sub(before);
    println!(
        "{BROKEN} broken pictures: {plain} plain, {drawn} drawn as far as they hold; the longest \
         took {} ms; memory of the asking side grew by {grown} kB",
        longest.as_millis()
    );
    assert!(plain > BROKEN / 4, "{plain}");
    assert!(grown <= SLACK_KB, "{grown} kB");
}

#[test]
fn what_promises_more_than_memory_holds_is_not_drawn() {
    let atelier = Atelier::new();
    let good = good();
    let png = &good[1];

    assert!(
        atelier
            .thumbnail(&made::resized_png(png, 65_535, 65_535))
            .is_none()
    );
    assert!(
        atelier
            .thumbnail(&made::resized_jpeg(&good[0], 65_500, 65_500))
            .is_none()
    );
    assert!(atelier.thumbnail(png).is_some(), "the control");
}

#[test]
fn a_decoder_that_takes_too_long_is_ended_and_the_next_one_comes() {
    let atelier = Atelier::new();
    let hasty = atelier.socket(Duration::from_millis(300));

    // Nobody sends it anything, so it would wait for ever.
    let mut idle = decoder(&hasty);
    let ended = idle.read(&mut [0]).unwrap();
    let mut next = decoder(&hasty);
    let alive = next.write_all(&[1]);

    assert_eq!(ended, 0);
    assert!(alive.is_ok());
}

/// Asks for a decoder by hand.
fn decoder(socket: &UnixStream) -> UnixStream {
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
    use std::{io::IoSliceMut, mem::MaybeUninit};

    let mut asking = socket;
    asking.write_all(&[0]).unwrap();
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut with = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(&mut byte)];
    recvmsg(socket, &mut parts, &mut with, RecvFlags::CMSG_CLOEXEC).unwrap();
    with.drain()
        .find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut passed) => passed.next(),
            _ => None,
        })
        .map(UnixStream::from)
        .unwrap()
}
