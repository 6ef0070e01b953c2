//! The commented example of a settings file, made from the doc comments of the settings themselves.

use std::fmt::Write as _;

/// Returns the commented example file, made from the doc comments of the settings.
#[must_use]
pub fn reference() -> String {
    let mut text = String::from(
        "# The settings of Strongroom. Made from the program's own documentation; lines that are\n\
         # commented out show the default or an example.\n",
    );
    for section in [
        "Account",
        "Owner",
        "Vault",
        "KeyDevice",
        "Custody",
        "Transfer",
        "Verify",
        "Network",
        "Chat",
        "Commands",
    ] {
        write_section(&mut text, section);
    }
    text
}

fn write_section(text: &mut String, section: &str) {
    let source = concat!(include_str!("chat.rs"), include_str!("../config.rs"));
    let start = format!("pub struct {section} {{\n");
    let Some((before, body)) = source.split_once(&start) else {
        return;
    };
    let title = before
        .rsplit("///")
        .next()
        .and_then(|line| line.lines().next())
        .unwrap_or_default();
    let _ = write!(text, "\n[{}]\n#{title}\n", section.to_lowercase());
    let (mut shown, mut default) = (String::new(), String::new());
    for line in body.lines().take_while(|line| *line != "}") {
        let line = line.trim();
        if let Some(doc) = line.strip_prefix("///") {
            let doc = doc.trim();
            if let Some(example) = doc.strip_prefix("Example: ") {
                shown = example.to_owned();
            } else if let Some(value) = doc.strip_prefix("Default: ") {
                default = value
                    .parse::<u64>()
                    .map_or_else(|_| String::new(), |_| value.to_owned());
                let _ = writeln!(text, "# Default: {value}");
            } else if !doc.is_empty() {
                let _ = writeln!(text, "# {doc}");
            }
        } else if let Some((name, kind)) = line
            .strip_prefix("pub ")
            .and_then(|field| field.split_once(": "))
        {
            let (shown, default) = (std::mem::take(&mut shown), std::mem::take(&mut default));
            let _ = match (shown.is_empty(), kind) {
                (false, _) => writeln!(text, "{name} = {shown}\n"),
                (true, _) if !default.is_empty() => writeln!(text, "#{name} = {default}\n"),
                (true, "bool,") => writeln!(text, "#{name} = true\n"),
                (true, "Mode,") => writeln!(text, "#{name} = \"drawer\"\n"),
                (true, "u64," | "Option<u64>,") => writeln!(text, "#{name} = 1000000\n"),
                (true, "Vec<String>,") => writeln!(text, "#{name} = [\"…\"]\n"),
                (true, _) => writeln!(text, "#{name} = \"…\"\n"),
            };
        }
    }
    while text.ends_with("\n\n") {
        text.pop();
    }
}
