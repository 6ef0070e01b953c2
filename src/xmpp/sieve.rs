//! Keeps XML that would kill the reader away from it: too deep, too long, too large.
//!
//! It looks at the bytes between the TLS connection and the XML parser. An attribute longer than
//! the parser takes would be a read error, and the server would send the same stanza again after
//! every resumption; nesting of some thousand levels would overflow the stack of whoever builds or
//! drops the tree. Such places are cut out here, so that the stanza arrives harmless and is counted.
//! It knows no stanza and no namespace.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};

/// Elements nested deeper than this are cut out. An archived OMEMO message needs 8.
pub(super) const MAX_DEPTH: usize = 40;
/// Longest attribute value, as written; the parser's own limit is 8,192.
const MAX_VALUE_BYTES: usize = 8_000;
/// Longest element or attribute name.
const MAX_NAME_BYTES: usize = 1_000;
/// Longest start tag.
const MAX_TAG_BYTES: usize = 64 * 1024;
/// Largest stanza. Servers pass on 256 KiB at most; rosters may be larger.
const MAX_STANZA_BYTES: usize = 4 * 1024 * 1024;
/// Most elements and attributes in a stanza: in memory each is a hundred times what it is on the
/// wire. A roster of thousands has fewer.
const MAX_NODES: usize = 40_000;
/// Stands in for what was cut. The domain is reserved: it is nobody's address.
const CUT_VALUE: &[u8] = b"overlong.invalid";
/// Stands in for a stanza whose head was cut, so that XEP-0198 still counts it.
const CUT_STANZA: &[u8] = b"<message type='error' from='overlong.invalid'/>";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Text,
    Tag,
    Cdata { brackets: u8 },
}

/// The rules, without any I/O.
#[derive(Debug)]
pub(crate) struct Rules {
    state: State,
    /// The tag being read, from `<` on.
    tag: Vec<u8>,
    /// The tag is longer than [`MAX_TAG_BYTES`]; only its end is looked for.
    overlong: bool,
    quote: Option<u8>,
    last: u8,
    /// Number of open elements, the stream itself included.
    depth: usize,
    /// An element at this depth, and all within, is being cut out.
    cutting: Option<usize>,
    stanza_bytes: usize,
    /// Elements and attributes of the stanza until now.
    nodes: usize,
    cut: u64,
}

impl Rules {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Text,
            tag: Vec::new(),
            overlong: false,
            quote: None,
            last: 0,
            depth: 0,
            cutting: None,
            stanza_bytes: 0,
            nodes: 0,
            cut: 0,
        }
    }

    /// Reads bytes and appends to `out` what may pass.
    ///
    /// # Errors
    /// If a single stanza is larger than anything a server sends.
    pub(crate) fn pass(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        if self.depth > 1 {
            self.stanza_bytes = self.stanza_bytes.saturating_add(bytes.len());
        }
        if self.stanza_bytes > MAX_STANZA_BYTES {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a stanza is too large",
            ));
        }
        while let Some((&byte, rest)) = bytes.split_first() {
            match self.state {
                State::Text => {
                    let end = bytes.iter().position(|b| *b == b'<').unwrap_or(bytes.len());
                    let (text, rest) = bytes.split_at(end);
                    if self.cutting.is_none() {
                        out.extend_from_slice(text);
                    }
                    if !rest.is_empty() {
                        self.state = State::Tag;
                    }
                    bytes = rest;
                }
                State::Tag => {
                    self.take_tag_byte(byte, out);
                    bytes = rest;
                }
                State::Cdata { brackets } => {
                    if self.cutting.is_none() {
                        out.push(byte);
                    }
                    self.state = match (byte, brackets) {
                        (b']', _) => State::Cdata {
                            brackets: brackets.saturating_add(1),
                        },
                        (b'>', 2..) => State::Text,
                        _ => State::Cdata { brackets: 0 },
                    };
                    bytes = rest;
                }
            }
        }
        Ok(())
    }

    fn take_tag_byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        if self.tag.len() < MAX_TAG_BYTES {
            self.tag.push(byte);
        } else {
            self.overlong = true;
        }
        match self.quote {
            Some(quote) if quote == byte => self.quote = None,
            Some(_) => {}
            None if byte == b'>' => {
                self.end_tag(out);
                return;
            }
            None if byte == b'\'' || byte == b'"' => self.quote = Some(byte),
            None if self.tag == b"<![CDATA[" => {
                if self.cutting.is_none() {
                    out.extend_from_slice(&self.tag);
                }
                self.tag.clear();
                self.state = State::Cdata { brackets: 0 };
                return;
            }
            None => {}
        }
        self.last = byte;
    }

    fn end_tag(&mut self, out: &mut Vec<u8>) {
        self.state = State::Text;
        let tag = std::mem::take(&mut self.tag);
        let overlong = std::mem::take(&mut self.overlong);
        if tag.starts_with(b"<?") || tag.starts_with(b"<!") {
            if self.cutting.is_none() && !overlong {
                out.extend_from_slice(&tag);
            }
        } else if tag.starts_with(b"</") {
            self.depth = self.depth.saturating_sub(1);
            match self.cutting {
                Some(depth) if self.depth <= depth => self.cutting = None,
                Some(_) => {}
                None => out.extend_from_slice(&tag),
            }
        } else {
            self.start_element(&tag, overlong, out);
        }
        if self.depth <= 1 {
            self.stanza_bytes = 0;
            self.nodes = 0;
        }
        self.tag = tag;
        self.tag.clear();
    }

    fn start_element(&mut self, tag: &[u8], overlong: bool, out: &mut Vec<u8>) {
        let empty = self.last == b'/';
        let name = element_name(tag);
        // A restarted stream begins again without the old one having ended (RFC 6120 4.3.3).
        if self.depth <= 1 && name == b"stream:stream" {
            self.depth = 1;
            self.cutting = None;
            out.extend_from_slice(tag);
            return;
        }
        if self.cutting.is_none() {
            let before = out.len();
            let attributes = tag.iter().filter(|byte| **byte == b'=').count();
            self.nodes = self.nodes.saturating_add(1).saturating_add(attributes);
            let passes = !overlong
                && self.nodes <= MAX_NODES
                && self.depth < MAX_DEPTH
                && name.len() <= MAX_NAME_BYTES
                && write_tag(tag, out);
            if !passes {
                out.truncate(before);
                self.cut = self.cut.saturating_add(1);
                if self.depth == 1 {
                    out.extend_from_slice(CUT_STANZA);
                }
                if !empty {
                    self.cutting = Some(self.depth);
                }
            }
        }
        if !empty {
            self.depth = self.depth.saturating_add(1);
        }
    }
}

/// Tells whether a text that did not come through a stream is one element, of which nothing would
/// be cut, so that it may be given to the parser as it is.
pub(crate) fn is_harmless_element(text: &[u8]) -> bool {
    // It stands where the content of a stanza would: no stream begins in it.
    const AROUND: usize = 2;
    let mut rules = Rules::new();
    rules.depth = AROUND;
    let mut passed = Vec::with_capacity(text.len());
    for (place, byte) in text.iter().enumerate() {
        let was_inside = rules.depth > AROUND;
        if rules.pass(&[*byte], &mut passed).is_err() {
            return false;
        }
        // The parser reads no further than to the end of the first element.
        if was_inside && rules.depth <= AROUND {
            return place + 1 == text.len() && passed == text;
        }
    }
    false
}

fn element_name(tag: &[u8]) -> &[u8] {
    let name = tag.get(1..).unwrap_or_default();
    let end = name
        .iter()
        .position(|b| b.is_ascii_whitespace() || *b == b'/' || *b == b'>')
        .unwrap_or(name.len());
    name.get(..end).unwrap_or_default()
}

/// Copies a start tag, with values that are too long replaced. Returns whether it may pass.
fn write_tag(tag: &[u8], out: &mut Vec<u8>) -> bool {
    if tag.len() <= MAX_NAME_BYTES {
        out.extend_from_slice(tag);
        return true;
    }
    let mut rest = tag;
    while let Some(start) = rest.iter().position(|b| *b == b'\'' || *b == b'"') {
        let (before, quoted) = rest.split_at(start);
        let Some((&quote, value)) = quoted.split_first() else {
            return false;
        };
        let Some(end) = value.iter().position(|b| *b == quote) else {
            return false;
        };
        let (value, after) = value.split_at(end);
        if before.len() > MAX_NAME_BYTES {
            return false;
        }
        out.extend_from_slice(before);
        out.push(quote);
        out.extend_from_slice(if value.len() > MAX_VALUE_BYTES {
            CUT_VALUE
        } else {
            value
        });
        out.push(quote);
        rest = after.get(1..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    rest.len() <= MAX_NAME_BYTES
}

/// A connection whose incoming bytes pass through [`Rules`].
pub(crate) struct Sieve<Io> {
    io: Io,
    rules: Rules,
    passed: Vec<u8>,
    read: usize,
}

impl<Io> Sieve<Io> {
    pub(crate) fn new(io: Io) -> Self {
        Self {
            io,
            rules: Rules::new(),
            passed: Vec::new(),
            read: 0,
        }
    }

    /// Returns the connection; bytes read ahead are dropped.
    pub(crate) fn into_inner(self) -> Io {
        self.io
    }
}

impl<Io: AsyncBufRead + Unpin> AsyncBufRead for Sieve<Io> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        while this.read >= this.passed.len() {
            this.passed.clear();
            this.read = 0;
            let bytes = ready!(Pin::new(&mut this.io).poll_fill_buf(cx))?;
            let count = bytes.len();
            if count == 0 {
                // An XML reader would call this broken XML; it is a broken connection.
                let closed = "the server closed the connection";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, closed)));
            }
            let result = this.rules.pass(bytes, &mut this.passed);
            Pin::new(&mut this.io).consume(count);
            result?;
        }
        Poll::Ready(Ok(this.passed.get(this.read..).unwrap_or_default()))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        let this = self.get_mut();
        this.read = this.read.saturating_add(amount).min(this.passed.len());
    }
}

impl<Io: AsyncBufRead + Unpin> AsyncRead for Sieve<Io> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let bytes = ready!(self.as_mut().poll_fill_buf(cx))?;
        let count = bytes.len().min(buffer.remaining());
        buffer.put_slice(bytes.get(..count).unwrap_or_default());
        self.consume(count);
        Poll::Ready(Ok(()))
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Sieve<Io> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
