//! Keeps strongroom.doap and the code saying the same about which extensions are implemented.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use minidom::Element;

const DOAP: &str = "http://usefulinc.com/ns/doap#";
const RDF: &str = "http://www.w3.org/1999/02/22-rdf-syntax-ns#";
const XMPP: &str = "https://linkmauve.fr/ns/xmpp-doap#";

/// Extensions that the code names by nothing but their namespace.
const BY_NAMESPACE: &[(&str, &str)] = &[
    ("0092", "jabber:iq:version"),
    ("0297", "urn:xmpp:forward:0"),
    ("0334", "urn:xmpp:hints"),
];

struct Claim {
    status: String,
    version: Option<String>,
}

/// What strongroom.doap claims, by the extension's number: one claim for each version that is
/// spoken.
fn claims() -> BTreeMap<String, Vec<Claim>> {
    let text = fs::read_to_string(root().join("strongroom.doap")).unwrap();
    // minidom takes no declaration and no comments
    let start = text.find("<rdf:RDF").unwrap();
    let document: Element = text[start..].parse().unwrap();
    let project = document.get_child("Project", DOAP).unwrap();
    let claims = project.children().filter(|it| it.is("implements", DOAP));
    let mut found = BTreeMap::<_, Vec<_>>::new();
    for it in claims.filter_map(|it| it.get_child("SupportedXep", XMPP)) {
        let text = |name| it.get_child(name, XMPP).map(Element::text);
        let xep = it.get_child("xep", XMPP).unwrap();
        let address = xep.attr_ns(RDF, "resource");
        let number = address
            .and_then(|it| it.strip_prefix("https://xmpp.org/extensions/xep-"))
            .and_then(|it| it.strip_suffix(".html"))
            .unwrap();
        let claim = Claim {
            status: text("status").unwrap(),
            version: text("version"),
        };
        found.entry(number.to_owned()).or_default().push(claim);
    }
    found
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() {
            text += &sources(&path);
        } else if path.extension().is_some_and(|it| it == "rs") {
            text += &fs::read_to_string(&path).unwrap();
        }
    }
    text
}

fn code() -> String {
    let folders = ["src", "crates/omemo/src", "crates/vault/src"];
    folders.map(|it| sources(&root().join(it))).concat()
}

/// Every `XEP-nnnn` in the code, with the version where one is given.
fn citations(code: &str) -> BTreeSet<(String, Option<String>)> {
    code.split("XEP-")
        .skip(1)
        .filter_map(|after| {
            let (number, after) = after.split_at_checked(4)?;
            let version = after.strip_prefix(" v").map(|it| {
                let end = it.find(|c: char| c != '.' && !c.is_ascii_digit());
                it[..end.unwrap_or(it.len())].to_owned()
            });
            Some((number.to_owned(), version))
        })
        .collect()
}

#[test]
fn every_extension_cited_in_the_code_is_claimed_in_the_same_version() {
    let claims = claims();

    let cited = citations(&code());

    assert!(cited.len() > 20, "{cited:?}");
    for (number, version) in cited {
        let claims = claims.get(&number);
        let claims =
            claims.unwrap_or_else(|| unreachable!("XEP-{number} is not in strongroom.doap"));
        let claimed: Vec<_> = claims
            .iter()
            .filter_map(|it| it.version.as_deref())
            .collect();
        // a citation may leave out the last part: v0.1 for 0.1.0
        let agrees = version.is_none_or(|it| claimed.iter().any(|them| them.starts_with(&it)));
        assert!(agrees, "XEP-{number} is claimed in version {claimed:?}");
    }
}

#[test]
fn every_extension_claimed_is_named_in_the_code() {
    let code = code();
    let cited = citations(&code);

    let claims = claims().into_iter();
    for (number, claim) in
        claims.flat_map(|(it, all)| all.into_iter().map(move |one| (it.clone(), one)))
    {
        let by_number = cited.iter().any(|(it, _)| *it == number);
        let namespace = BY_NAMESPACE.iter().find(|(it, _)| *it == number);
        let by_namespace = namespace.is_some_and(|(_, namespace)| code.contains(namespace));
        assert!(
            by_number || by_namespace,
            "nothing in the code is XEP-{number}"
        );
        let known = ["complete", "partial", "planned"];
        assert!(known.contains(&claim.status.as_str()), "XEP-{number}");
        assert_eq!(
            claim.version.is_none(),
            claim.status == "planned",
            "XEP-{number}"
        );
    }
}

#[test]
fn citations_are_found_with_their_versions() {
    let found = citations("// XEP-0384 v0.3.0 4.5\n/// (XEP-0030). XEP-0454 v0.1 3");

    let found: Vec<_> = found
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_deref()))
        .collect();
    let expected = [
        ("0030", None),
        ("0384", Some("0.3.0")),
        ("0454", Some("0.1")),
    ];
    assert_eq!(found, expected);
}
