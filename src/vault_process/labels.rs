//! What is noted with entries, on its way to the index.

use serde::{Deserialize, Serialize};

/// A caption, tags, an album. What is not given stays as it is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labels {
    /// What is to be seen on it.
    pub caption: Option<String>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// The album it goes into.
    pub album: Option<String>,
}
