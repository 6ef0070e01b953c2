//! Cuts a stream of XMPP into its elements.

/// Cuts bytes as they come; what is not complete waits for more.
#[derive(Default)]
pub(crate) struct Frames {
    waiting: Vec<u8>,
    read: usize,
    tag: Option<usize>,
    quote: Option<u8>,
    depth: usize,
}

impl Frames {
    /// Takes bytes and returns the elements that are complete with them: the heads and ends of
    /// streams, and what stands between them.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Vec<String> {
        self.waiting.extend_from_slice(bytes);
        let mut complete = Vec::new();
        while let Some(&byte) = self.waiting.get(self.read) {
            self.read += 1;
            match (self.tag, self.quote) {
                (None, _) if byte == b'<' => self.tag = Some(self.read - 1),
                (None, _) => {}
                (Some(_), Some(quote)) if byte == quote => self.quote = None,
                (Some(_), Some(_)) => {}
                (Some(_), None) if byte == b'\'' || byte == b'"' => self.quote = Some(byte),
                (Some(start), None) if byte == b'>' => {
                    self.tag = None;
                    if self.ends_element(start) {
                        let rest = self.waiting.split_off(self.read);
                        let element = std::mem::replace(&mut self.waiting, rest);
                        complete.push(String::from_utf8(element).unwrap());
                        self.read = 0;
                    }
                }
                (Some(_), None) => {}
            }
        }
        complete
    }

    /// Takes the tag that begins at `start` and ends here. Returns whether an element ends with it.
    fn ends_element(&mut self, start: usize) -> bool {
        let tag = &self.waiting[start..self.read];
        if tag.starts_with(b"<?") {
            return false;
        }
        if tag.starts_with(b"<stream:stream") {
            self.depth = 1;
            return true;
        }
        if tag.starts_with(b"</") {
            self.depth = self.depth.saturating_sub(1);
        } else if !tag.ends_with(b"/>") {
            self.depth += 1;
            return false;
        }
        self.depth <= 1
    }
}

/// Whether XEP-0198 counts this element.
pub(crate) fn is_stanza(element: &str) -> bool {
    let element = element.trim_start();
    let named = |name: &str| {
        let rest = element
            .strip_prefix('<')
            .and_then(|it| it.strip_prefix(name));
        rest.is_some_and(|it| it.starts_with([' ', '>', '/', '\n']))
    };
    ["message", "iq", "presence"].into_iter().any(named)
}

/// The value of an attribute of the element itself.
pub(crate) fn attr(element: &str, name: &str) -> Option<String> {
    let (start, end) = value(element, name)?;
    Some(element[start..end].to_owned())
}

/// The element with another value of an attribute that it has.
pub(crate) fn with_attr(element: &str, name: &str, new: &str) -> String {
    let (start, end) = value(element, name).unwrap();
    format!("{}{new}{}", &element[..start], &element[end..])
}

fn value(element: &str, name: &str) -> Option<(usize, usize)> {
    let head = &element[..element.find('>')?];
    for quote in ['\'', '"'] {
        if let Some(at) = head.find(&format!(" {name}={quote}")) {
            let start = at + name.len() + 3;
            return Some((start, start + element[start..].find(quote)?));
        }
    }
    None
}

/// The first element of this name within another, from its `<` to its end; no element of the same
/// name may be within it.
pub(crate) fn within(element: &str, name: &str) -> Option<String> {
    let start = element.find(&format!("<{name}"))?;
    let end_tag = format!("</{name}>");
    let end = start + element[start..].find(&end_tag)? + end_tag.len();
    Some(element[start..end].to_owned())
}

#[test]
fn a_stream_is_cut_into_its_elements_wherever_the_network_cuts_it() {
    let stream = "<?xml version='1.0'?><stream:stream a='>'> <iq id='/>'/><message><b>x</b><c/>\
                  </message><?xml version='1.0'?><stream:stream><r xmlns='y'/></stream:stream>";
    let whole = Frames::default().feed(stream.as_bytes());
    let mut frames = Frames::default();
    let single: Vec<String> = stream.bytes().flat_map(|it| frames.feed(&[it])).collect();

    assert_eq!(whole, single);
    assert_eq!(whole.concat(), stream);
    let wanted = [
        "<?xml version='1.0'?><stream:stream a='>'>",
        " <iq id='/>'/>",
        "<message><b>x</b><c/></message>",
        "<?xml version='1.0'?><stream:stream>",
        "<r xmlns='y'/>",
        "</stream:stream>",
    ];
    assert_eq!(whole, wanted);
    assert_eq!(attr("<a id='x' h=\"7\"/>", "h").as_deref(), Some("7"));
}
