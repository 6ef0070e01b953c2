//! Frames between daemon and vault process: what is refused.

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn no_frame_panics(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse::<Order>(&body);
        let _ = parse::<Word>(&body);
    }
}

#[test]
fn a_frame_with_trailing_bytes_is_refused() {
    let order = Order::Ask {
        job: [7; 32],
        question: Question::Totals,
    };
    let mut body = frame(&order, MAX_ORDER_BYTES).unwrap().split_off(4);
    assert!(parse::<Order>(&body).is_some());

    body.push(0);

    assert!(parse::<Order>(&body).is_none());
}
