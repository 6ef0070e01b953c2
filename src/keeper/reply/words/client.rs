//! What our own client shows of a request that cannot be served.

/// A line of a client that is not understood.
pub(in crate::keeper) const UNKNOWN_REQUEST: &str = "The vault does not know this request. Bring \
     both programs to the same version.";
