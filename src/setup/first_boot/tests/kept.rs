//! What was there before, and what the file does not speak of, is not lost.

use super::*;

#[test]
fn a_file_of_the_imager_without_a_line_that_is_used_stays_as_it_is() {
    let scene = Scene::new("");
    fs::remove_file(scene.at("boot/strongroom.toml")).unwrap();
    let custom = "config_version = 1\n[user]\nname = \"me\"\npassword = \"mine\"\n";
    fs::write(scene.at("boot/custom.toml"), custom).unwrap();

    scene.boots().unwrap();

    assert_eq!(scene.read("boot/custom.toml"), custom);
    assert!(!scene.at("boot/strongroom-status.txt").exists());
    fs::write(
        scene.at("boot/custom.toml"),
        format!("{custom}[system]\nhostname = \"attic\"\n"),
    )
    .unwrap();
    scene.boots().unwrap();
    assert_eq!(scene.read("root/etc/hostname"), "attic\n");
    let left = scene.read("boot/custom.toml");
    assert!(left.contains("mine") && !left.contains("attic"), "{left}");
    assert!(
        scene
            .read("boot/strongroom-status.txt")
            .contains("They stay")
    );
}

#[test]
fn two_files_are_a_mistake_and_both_stay() {
    let scene = Scene::new(&complete());
    fs::write(scene.at("boot/strongroom.toml.txt"), complete()).unwrap();

    let ended = scene.boots().unwrap();

    assert_eq!(format!("{ended:?}"), format!("{:?}", ExitCode::from(78)));
    assert!(
        scene
            .read("boot/strongroom-status.txt")
            .contains("strongroom.toml.txt")
    );
    assert!(!scene.at("root/etc").exists());
    fs::remove_file(scene.at("boot/strongroom.toml.txt")).unwrap();
    scene.boots().unwrap();
    assert_eq!(scene.settings().account.jid, "vault@example.org");
}

#[test]
fn keys_and_settings_that_were_there_are_not_lost() {
    let scene = Scene::new(&complete());
    let (keys, settings) = (
        "root/root/.ssh/authorized_keys",
        "root/etc/strongroom/strongroom.toml",
    );
    for (path, text) in [
        (keys, "ssh-ed25519 AAAA old"),
        (settings, "[account\njid = 1\n"),
    ] {
        fs::create_dir_all(scene.at(path).parent().unwrap()).unwrap();
        fs::write(scene.at(path), text).unwrap();
    }
    fs::write(scene.at("root/etc/strongroom/password"), "the old one\n").unwrap();

    scene.boots().unwrap();

    let keys = scene.read(keys);
    assert_eq!(keys.lines().count(), 2);
    assert!(
        keys.starts_with("ssh-ed25519 AAAA old\nssh-ed25519 "),
        "{keys}"
    );
    assert_eq!(scene.settings().account.jid, "vault@example.org");
    assert!(
        scene
            .read(&format!("{settings}.broken"))
            .starts_with("[account")
    );
    assert_eq!(
        scene.read("root/etc/strongroom/password.before"),
        "the old one\n"
    );
}
