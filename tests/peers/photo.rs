//! A photo as a camera makes it comes back as it was, with what the camera wrote into it.

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};

use crate::{
    home::VAULT,
    phone::{python, text},
    prosody::jid,
    scene::Scene,
};

/// Takes a photo of noise, about 5 MB, with camera, time and place in its EXIF part.
const TAKE: &str = r#"
import random, sys
from PIL import ExifTags, Image
size = (2816, 2112)
photo = Image.frombytes("RGB", size, random.Random(7).randbytes(3 * size[0] * size[1]))
exif = Image.Exif()
exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = "Strongroom", "Pinhole 1"
exif[ExifTags.Base.Orientation] = 6
exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2026:05:04 10:20:30"
exif.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (52.0, 30.0, 15.5), 3: "E", 4: (13.0, 24.0, 1.0)})
photo.save(sys.argv[1], quality=88, exif=exif)
"#;

/// Prints what a reader of photos finds in one.
const LOOK: &str = r#"
import json, sys
from PIL import ExifTags, Image
photo = Image.open(sys.argv[1])
photo.load()
exif = photo.getexif()
place = exif.get_ifd(ExifTags.IFD.GPSInfo)
print(json.dumps({
    "size": photo.size, "make": exif[ExifTags.Base.Make], "model": exif[ExifTags.Base.Model],
    "orientation": exif[ExifTags.Base.Orientation],
    "taken": exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal],
    "place": [place[1], [float(it) for it in place[2]], place[3], [float(it) for it in place[4]]],
}))
"#;

fn run(script: &str, path: &Path) -> String {
    let output = Command::new(python())
        .args(["-c", script])
        .arg(path)
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_camera_s_photo_comes_back_with_its_exif_part() {
    let mut scene = Scene::new();
    let photo = scene.home.path("IMG_0001.jpg");
    run(TAKE, &photo);
    let length = fs::metadata(&photo).unwrap().len();
    assert!((4_500_000..5_500_000).contains(&length), "{length} bytes");

    let with = json!({ "name": "IMG_0001.jpg" });
    let sent = scene.phone.send_file_with(&jid(VAULT), &photo, with);
    scene.phone.wait_reply("✅ #1 IMG_0001.jpg, ");
    scene.phone.send_text(&jid(VAULT), "get 1");
    let back = scene.phone.wait_file();

    assert_eq!(back.sha256, text(&sent["sha256"]));
    assert!(fs::read(&back.path).unwrap() == fs::read(&photo).unwrap());
    let seen: Value = serde_json::from_str(&run(LOOK, &back.path)).unwrap();
    assert_eq!(
        seen,
        json!({
            "size": [2816, 2112], "make": "Strongroom", "model": "Pinhole 1", "orientation": 6,
            "taken": "2026:05:04 10:20:30",
            "place": ["N", [52.0, 30.0, 15.5], "E", [13.0, 24.0, 1.0]],
        })
    );
}
