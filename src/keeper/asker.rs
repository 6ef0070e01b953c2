//! Who asked, so that the answer can go back the same way.
//!
//! A device that announces two namespaces may be able to read only one of them: the one it wrote
//! in is the one that works.

use omemo::Namespace;
use serde::{Deserialize, Serialize};

/// The device that asked, and the OMEMO namespace it asked in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asker {
    /// OMEMO device id.
    pub device: u32,
    /// The namespace that the message came in.
    #[serde(with = "by_uri")]
    pub namespace: Namespace,
}

/// A namespace is written as its name, which will never stand for another.
mod by_uri {
    use omemo::Namespace;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(
        namespace: &Namespace,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(namespace.uri())
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Namespace, D::Error> {
        let uri = String::deserialize(from)?;
        Namespace::from_uri(&uri).ok_or_else(|| D::Error::custom("no namespace of OMEMO"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asker_is_read_back_and_an_unknown_namespace_is_not() {
        for namespace in Namespace::ALL {
            let asker = Asker {
                device: 7,
                namespace,
            };
            let bytes = postcard::to_stdvec(&asker).unwrap();

            assert_eq!(postcard::from_bytes::<Asker>(&bytes), Ok(asker));
            let other = [&bytes[..bytes.len() - 1], b"?"].concat();
            assert!(postcard::from_bytes::<Asker>(&other).is_err());
        }
    }
}
