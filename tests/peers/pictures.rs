//! Contact sheets, previews and the word about shrunk pictures, with a phone of foreign make.

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};

use crate::{
    home::{VAULT, files},
    life::wait_until,
    phone::python,
    prosody::jid,
    scene::Scene,
};

/// Makes a picture of one colour: path, width, height, red, green, blue.
const PAINT: &str = r#"
import sys
from PIL import Image
path, *numbers = sys.argv[1:]
width, height, *colour = map(int, numbers)
Image.new("RGB", (width, height), tuple(colour)).save(path, quality=90)
"#;

/// Prints the size of a picture, and what colour it has at some places.
const LOOK: &str = r#"
import json, sys
from PIL import Image
picture = Image.open(sys.argv[1]).convert("RGB")
places = [(120, 60), (364, 60)]
inside = [it for it in places if it[0] < picture.width and it[1] < picture.height]
print(json.dumps({"size": picture.size, "colours": [picture.getpixel(it) for it in inside]}))
"#;

const SHRUNK: &str = "2f1c9e0a-7f39-4b52-9a3c-0d1e2f3a4b5c.jpg";

fn python_says(script: &str, path: &Path, numbers: &[u32]) -> String {
    let output = Command::new(python())
        .args(["-c", script])
        .arg(path)
        .args(numbers.iter().map(u32::to_string))
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    String::from_utf8(output.stdout).unwrap()
}

fn look(path: &Path) -> Value {
    serde_json::from_str(&python_says(LOOK, path, &[])).unwrap()
}

/// Shares a picture of one colour and waits until it is stored.
fn share(scene: &mut Scene, name: &str, size: [u32; 2], colour: [u32; 3]) {
    let path = scene.home.path(name);
    python_says(PAINT, &path, &[size.as_slice(), colour.as_slice()].concat());
    scene
        .phone
        .send_file_with(&jid(VAULT), &path, json!({ "name": name }));
    scene.phone.wait_reply("stored");
}

#[test]
fn a_sheet_shows_what_is_stored_and_a_preview_is_small() {
    let mut scene = Scene::new();
    share(&mut scene, "red.jpg", [2000, 1500], [220, 20, 20]);
    share(&mut scene, "blue.jpg", [1500, 1000], [20, 20, 220]);
    // Thumbnails are made behind what the owner waits for: a preview comes after them by then.
    scene.tell("get 1 small");
    let caption = scene.phone.wait_reply("#1 ");
    let preview = scene.phone.wait_file();
    wait_for_thumbnails(&scene, 2);

    scene.tell("sheet");
    let told = scene.phone.wait_reply("Contact sheet");
    let sheet = scene.phone.wait_file();

    assert!(caption.starts_with("#1 red small.jpg, "), "{caption}");
    assert_eq!(look(&preview.path)["size"], json!([1280, 960]));
    assert_eq!(told, "Contact sheet, #2 to #1:");
    assert!(fs::metadata(&sheet.path).unwrap().len() <= 500 * 1024);
    let seen = look(&sheet.path);
    assert_eq!(seen["size"], json!([492, 232]));
    let colour = |at: usize, part: usize| seen["colours"][at][part].as_u64().unwrap();
    assert!(colour(0, 2) > 180 && colour(0, 0) < 60, "{seen}");
    assert!(colour(1, 0) > 180 && colour(1, 2) < 60, "{seen}");
    scene.tell("get 99 small");
    scene.phone.wait_reply("There is no #99");
}

/// Waits until so many files were looked at.
fn wait_for_thumbnails(scene: &Scene, count: usize) {
    let folder = scene.home.vault().join("thumbnails");
    wait_until("the thumbnails are made", || {
        let made = |it: &&std::path::PathBuf| it.extension().is_some_and(|it| it == "thumb");
        folder.exists() && files(&folder).iter().filter(made).count() == count
    });
}

#[test]
fn a_shrunk_picture_is_told_once_for_each_phone_and_an_original_never() {
    let mut scene = Scene::new();
    share(&mut scene, "original.jpg", [3000, 2000], [20, 120, 20]);
    share(&mut scene, SHRUNK, [1920, 1080], [20, 20, 120]);

    let told = scene.phone.wait_reply("smaller before it sent it");
    share(&mut scene, "again.jpg", [1920, 1000], [120, 20, 120]);
    wait_for_thumbnails(&scene, 3);
    scene.tell("originals off");
    scene.phone.wait_reply("I keep quiet");

    assert!(told.starts_with("Your phone made #2 smaller"), "{told}");
    assert!(told.contains("1920 pixels"), "{told}");
    let said = scene.phone.seen("message").into_iter();
    let hints = said.filter(|it| {
        it["body"]
            .as_str()
            .is_some_and(|it| it.contains("smaller before"))
    });
    assert_eq!(hints.count(), 1);
}
