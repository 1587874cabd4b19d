//! The black-box judge against every order there is, on tiny histories.

use crate::{
    assert_clean, config, dice,
    generate::{SMALL, Shape, history},
    mutate,
    orders::explains,
    text,
};
use proptest::prelude::*;
use whitewater_checkers::{Budget, Ruling, judge, search};

fn tiny(operations: usize) -> Shape {
    Shape {
        operations,
        clients: 4,
        keys: 2,
        unknown: 350,
        refused: 20,
        has_final_read: true,
        ..SMALL
    }
}

proptest! {
    #![proptest_config(config(1500))]

    #[test]
    fn the_black_box_judge_agrees_with_all_orders(seed: u64, operations in 2_usize..7, corrupt: bool) {
        let mut dice = dice(seed);
        let mut history = history(tiny(operations), &mut dice);
        if !corrupt {
            prop_assert!(explains(&history, false));
            assert_clean(&history);
            let searched = search(&history, &Budget::default());
            prop_assert_eq!(&searched.ruling, &Ruling::Holds, "{}", text(&history));
            return Ok(());
        }
        let _applied = mutate::anything(&mut history, &mut dice);
        let judgements = judge(&history, &Budget::default());
        let searched = search(&history, &Budget::default());
        let truth = explains(&history, false);
        for black in [&judgements[1], &searched] {
            let is_right = match &black.ruling {
                Ruling::Holds => truth,
                Ruling::Broken(_) => !truth,
                _ => false,
            };
            prop_assert!(is_right, "{:#?}\n{:#?}\n{}", judgements, searched, text(&history));
        }
    }
}
