//! Whether a stream was of use.

use tokio::sync::{mpsc, watch};

use super::*;

fn session(daemon: mpsc::Sender<Arrival>) -> Session {
    let parties = Parties::new("vault@example.org", "vault@example.org/strongroom").unwrap();
    let shared = Shared {
        dropped: Arc::default(),
        online: watch::channel(true).0,
        of_use: Arc::default(),
    };
    Session::new(parties, Arrivals::new(daemon), shared)
}

fn hear(session: &mut Session, stanza: &str) {
    let element: Element = stanza.parse().unwrap();
    session.handle_element(&element).unwrap();
}

#[tokio::test]
async fn a_message_that_somebody_uses_or_has_is_of_use_and_what_anybody_sends_is_not() {
    let (daemon, _arrivals) = mpsc::channel(8);
    let mut session = session(daemon);
    session.counts.enable(Some("id".to_owned()));
    session.set_up();
    for idle in [
        "<iq xmlns='jabber:client' type='result' id='own-1'/>",
        "<iq xmlns='jabber:client' type='get' id='1' from='example.org'><ping xmlns='urn:xmpp:ping'/></iq>",
        "<presence xmlns='jabber:client' from='owner@example.org/phone'/>",
        "<message xmlns='jabber:client' from='owner@example.org/phone' to='vault@example.org'/>",
    ] {
        hear(&mut session, idle);
    }
    for anybody in ["mallory@example.org/x", "owner@example.org/phone"] {
        let message = format!(
            "<message xmlns='jabber:client' from='{anybody}' to='vault@example.org' type='chat'>\
             <body>help</body></message>"
        );
        hear(&mut session, &message);
    }
    assert!(!session.take_carried(), "nobody said that it was of use");

    session.shared.of_use.store(true, Ordering::Relaxed);
    assert!(session.take_carried());
    assert!(!session.take_carried(), "once");

    let element = Box::new(Element::bare("message", ns::CLIENT));
    let token = Some(7);
    session.note_written(Outgoing { element, token });
    assert!(!session.take_carried(), "it may be lost");
    session.acked(1).unwrap();
    assert!(session.take_carried());
}
