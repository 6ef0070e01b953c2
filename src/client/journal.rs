//! What was sent before, so that nothing is sent twice and nothing is forgotten.

use super::{desk::Desk, now, upload::Seen};
use crate::{
    keeper::client::lines::{RequestId, Response},
    state::{Step, Upload, UploadStage},
};

/// A file that was announced so long ago and has no answer is sent again, in seconds.
const FORGOTTEN_SECONDS: i64 = 24 * 60 * 60;

/// What the journal says of a file.
pub(super) enum Known {
    /// The vault has it.
    Safe,
    /// It was announced; the answer is still to come.
    Announced(RequestId),
    /// It is to be sent.
    Unknown,
}

/// Looks a file up by place, length and time.
pub(super) fn look_up(desk: &mut Desk, seen: &Seen) -> anyhow::Result<Known> {
    let step = desk.state.begin()?;
    let Some(upload) = step.upload(&seen.key())? else {
        return Ok(Known::Unknown);
    };
    let is_same = u64::try_from(upload.size) == Ok(seen.size) && upload.mtime == seen.mtime;
    if !is_same {
        return Ok(Known::Unknown);
    }
    let age = seconds().saturating_sub(upload.at);
    Ok(match upload.stage {
        UploadStage::Kept | UploadStage::Stored => Known::Safe,
        UploadStage::Sent if (0..FORGOTTEN_SECONDS).contains(&age) => {
            Known::Announced(RequestId(upload.id))
        }
        UploadStage::Sent | UploadStage::Failed => Known::Unknown,
    })
}

/// Looks a file up by its content; one that is in the vault under another name is noted, and
/// returned as safe.
pub(super) fn look_up_content(
    desk: &mut Desk,
    seen: &Seen,
    hash: &[u8; 32],
) -> anyhow::Result<bool> {
    let step = desk.state.begin()?;
    let Some(same) = step.safe_upload(hash)? else {
        return Ok(false);
    };
    let row = row(seen, hash, RequestId(same.id), same.stage);
    step.save_upload(&Upload {
        number: same.number,
        ..row
    })?;
    step.commit()?;
    Ok(true)
}

/// Notes that a file is announced, in the step that puts the message into the outbox.
pub(super) fn announce(
    step: &Step<'_>,
    seen: &Seen,
    hash: &[u8; 32],
    id: RequestId,
) -> anyhow::Result<()> {
    Ok(step.save_upload(&row(seen, hash, id, UploadStage::Sent))?)
}

/// Notes what the vault answered. Returns the file, if the request was one that announced it, and
/// whether it changed.
pub(super) fn answer(
    desk: &mut Desk,
    id: RequestId,
    response: &Response,
) -> anyhow::Result<Option<(Upload, bool)>> {
    let (stage, number) = match response {
        Response::Stored { number } | Response::Same { number } => {
            (UploadStage::Stored, Some(*number))
        }
        Response::Kept => (UploadStage::Kept, None),
        Response::Failed { .. } => (UploadStage::Failed, None),
        Response::Trying { .. }
        | Response::Welcome { .. }
        | Response::File { .. }
        | Response::Unsent { .. }
        | Response::Missing { .. }
        | Response::Numbers { .. }
        | Response::Said { .. }
        | Response::Done => return Ok(None),
    };
    let step = desk.state.begin()?;
    let Some(before) = step.upload_of(&id.0)? else {
        return Ok(None);
    };
    // An older answer does not take a number back.
    let is_news = before.stage != UploadStage::Stored && before.stage != stage;
    if !is_news {
        return Ok(Some((before, false)));
    }
    let after = Upload {
        stage,
        number,
        ..before
    };
    step.save_upload(&after)?;
    step.commit()?;
    Ok(Some((after, true)))
}

fn row(seen: &Seen, hash: &[u8; 32], id: RequestId, stage: UploadStage) -> Upload {
    Upload {
        path: seen.key(),
        size: i64::try_from(seen.size).unwrap_or(i64::MAX),
        mtime: seen.mtime,
        hash: *hash,
        id: id.0,
        stage,
        number: None,
        at: seconds(),
    }
}

fn seconds() -> i64 {
    i64::try_from(now()).unwrap_or(i64::MAX)
}
