//! What every store must do, as tests. [`store_contract`](crate::store_contract) runs all of it against one.

pub mod admin_tokens;
pub mod audiences;
pub mod audit;
pub mod changes;
pub mod clients;
pub mod idempotency;
pub mod imports;
pub mod key_changes;
pub mod key_schedule;
pub mod keys;
pub mod lists;
pub mod log;
pub mod lookup;
pub mod renames;
pub mod scopes;
pub mod server;
pub mod session_list;
pub mod sessions;
pub mod sessions_with_log;
pub mod sweeps;
pub mod throttle;
pub mod users;
pub mod verifiers;
pub mod warrants;
mod watched;

/// [`store_contract`](crate::store_contract) for stores that hold sessions alone.
#[macro_export]
macro_rules! session_contract {
    ($make:path) => {
        $crate::store_contract!(@cases $make, sessions, [
            a_login_begins_a_session_whose_token_rotates,
            a_login_by_facts_that_changed_is_not_listed,
            a_node_that_is_behind_must_catch_up,
            a_reuse_kills_one_session_and_waits_in_the_outbox,
            a_session_ends_when_it_ends,
            a_session_without_refresh_keeps_no_record,
            an_older_token_kills_the_session_within_the_overlap,
            at_most_one_late_recovery_while_the_successor_is_unused,
            lost_writes_are_adopted_or_refused,
            no_session_begins_twice,
            peeking_answers_what_a_rotation_would_and_changes_nothing,
            racing_sessions_rotate_each_on_its_own,
            racing_uses_of_one_token_get_one_successor,
            replays_never_move_the_overlap,
            sweeping_goes_in_batches_and_spares_the_living,
            tokens_that_do_not_rotate_stay,
            the_fence_is_where_a_node_must_be,
            the_fence_tells_of_a_kill,
        ]);
    };
}

/// Makes one test of each case. `$make` is the path, from the crate's root, of an `async fn() -> Fixture` that gives
/// an empty store. The crate needs `tokio` with `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! store_contract {
    ($make:path) => {
        $crate::session_contract!($make);
        $crate::store_contract!(@cases $make, sessions_with_log, [
            a_fact_that_changed_must_be_read_first,
            what_concerns_a_session_must_be_read_first,
            what_concerns_others_turns_nobody_back,
        ]);
        $crate::store_contract!(@cases $make, log, [
            a_lift_takes_its_block_along_when_it_expires,
            entries_come_in_order_and_expire,
            live_tokens_are_counted_by_owner,
            racing_appends_are_gapless_and_in_order,
            sweeping_goes_in_batches_and_spares_what_never_expires,
            tips_tell_each_state_of_the_log_from_all_others,
        ]);
        $crate::store_contract!(@cases $make, users, [
            a_deleted_user_frees_the_names_and_never_the_subject,
            a_disabled_user_is_on_the_log_until_enabled,
            a_password_is_rehashed_only_where_it_is_still_the_same,
            a_user_is_found_by_every_name,
            names_that_are_taken_change_nothing,
            roles_decide_what_a_user_may,
            unknown_users_and_roles_change_nothing,
            users_are_listed_page_by_page,
        ]);
        $crate::store_contract!(@cases $make, renames, [
            a_user_takes_new_names_and_frees_the_old,
            names_and_roles_change_together,
            names_that_can_not_be_taken_change_nothing,
            racing_renames_give_a_name_to_one,
        ]);
        $crate::store_contract!(@cases $make, lists, [
            audiences_are_listed_with_who_serves_them,
            clients_are_found_by_the_beginning_of_their_id,
            positions_of_other_lists_show_nothing_else,
            users_are_found_by_state_and_role,
            users_are_found_by_the_beginning_of_a_name,
        ]);
        $crate::store_contract!(@cases $make, imports, [
            a_batch_is_bounded,
            a_batch_says_of_each_what_came_of_it,
            a_batch_without_anybody_new_changes_nothing,
            foreign_hashes_are_kept_and_renewed,
            looking_at_a_batch_changes_nothing,
            racing_batches_make_each_user_once,
        ]);
        $crate::store_contract!(@cases $make, clients, [
            a_client_id_that_comes_back_is_another_client,
            a_client_is_kept_as_it_was_made,
            a_disabled_client_is_on_the_log_until_enabled,
            a_resource_server_that_is_gone_leaves_a_wish,
            a_subject_is_never_two,
            an_audience_has_one_server,
            an_id_that_was_never_blocked_is_not_lifted,
            clients_are_listed_page_by_page,
            every_change_advances_the_facts,
            only_enabled_clients_are_published,
            secrets_are_replaced,
            unknown_clients_and_audiences_change_nothing,
        ]);
        $crate::store_contract!(@cases $make, audiences, [
            a_resource_server_says_how_long_its_tokens_live,
            the_admin_api_is_there_without_a_server,
        ]);
        $crate::store_contract!(@cases $make, scopes, [
            scopes_are_registered_replaced_and_taken_off,
            scopes_that_do_not_change_leave_no_trace,
        ]);
        $crate::store_contract!(@cases $make, admin_tokens, [
            a_token_is_on_record_until_it_ends,
            a_token_is_put_on_record_once,
            tokens_that_have_ended_are_swept,
        ]);
        $crate::store_contract!(@cases $make, idempotency, [
            a_caller_has_so_many_keys,
            a_key_that_was_given_back_is_free,
            a_request_is_made_once_by_key,
            bodies_are_bounded,
            bodies_of_a_caller_are_bounded,
            keys_are_swept_by_age,
            of_racing_requests_one_is_the_first,
        ]);
        $crate::store_contract!(@cases $make, audit, [
            an_event_is_kept_as_it_was_told,
            checkpoints_are_kept_as_they_were_made,
            many_events_are_one_write,
            racing_writers_leave_one_chain,
            records_are_found_by_what_a_filter_names,
            records_come_in_either_order_from_a_position,
        ]);
        $crate::store_contract!(@cases $make, sweeps, [
            each_sweep_stands_on_the_trail,
            only_what_a_checkpoint_covers_is_swept,
            the_anchor_holds_on_to_what_was_swept,
        ]);
        $crate::store_contract!(@cases $make, changes, [
            a_change_of_keys_leaves_its_event,
            a_change_of_nothing_leaves_no_event,
            a_change_that_fails_leaves_no_event,
            a_record_that_has_changed_since_stays,
            a_revocation_leaves_its_event,
            every_change_leaves_its_event,
            of_those_who_have_seen_the_same_one_changes_it,
            who_means_a_new_record_replaces_none,
        ]);
        $crate::store_contract!(@cases $make, warrants, [
            a_doing_judged_by_an_older_state_changes_nothing,
            a_doing_judged_by_another_history_changes_nothing,
            revocations_of_others_hold_nobody_up,
            nobody_gives_or_takes_over_more_than_they_hold,
        ]);
        $crate::store_contract!(@cases $make, keys, [
            a_key_is_rewrapped_only_where_it_is_still_the_same,
            keys_are_kept_as_they_were_added,
            the_history_is_the_newest_first,
        ]);
        $crate::store_contract!(@cases $make, key_changes, [
            a_conflict_changes_nothing,
            a_rotation_is_one_change_in_whatever_order,
            entries_go_on_the_log_with_the_change,
            every_transition_is_kept,
            racing_changes_planned_from_one_state_are_made_once,
            steps_beside_the_lifecycle_are_refused,
        ]);
        $crate::store_contract!(@cases $make, key_schedule, [
            a_lease_is_given_back,
            a_lease_is_held_until_it_ends,
            a_lease_that_changed_hands_changes_no_keys,
            a_lease_that_has_ended_changes_no_keys,
            a_lease_that_ends_too_late_is_not_honoured,
            a_lease_that_is_taken_again_fences_the_first,
            a_new_schedule_has_seen_nothing,
            an_operators_change_fences_the_lease,
            nodes_are_known_by_their_last_word,
            racing_nodes_get_one_lease,
            time_that_was_seen_to_pass_stays,
        ]);
        $crate::store_contract!(@cases $make, server, [
            a_secret_is_rewrapped_only_where_it_is_still_the_same,
            secrets_and_issuer_are_kept,
        ]);
        $crate::store_contract!(@cases $make, verifiers, [
            a_client_keeps_those_that_it_saw_last,
            a_report_is_kept_as_it_was_made,
            no_client_pushes_out_those_of_another,
            racing_nodes_lose_no_step,
            steps_tell_by_when_an_entry_was_applied,
            verifiers_of_clients_that_are_gone_are_not_listed,
            verifiers_that_are_not_seen_are_swept,
        ]);
        $crate::store_contract!(@cases $make, lookup, [
            entries_are_read_with_what_is_on_record,
            sessions_are_counted_by_whom_they_are_of,
            sessions_that_have_ended_are_not_counted,
        ]);
        $crate::store_contract!(@cases $make, session_list, [
            sessions_are_counted_as_they_are_listed,
            sessions_are_counted_by_when_they_began,
            sessions_are_listed_the_latest_first,
            sessions_are_listed_with_the_names_that_there_are,
            sessions_say_whether_they_were_ended,
            what_began_after_the_last_entry_goes_on,
        ]);
    };
    (@cases $make:path, $family:ident, [$($case:ident),* $(,)?]) => {
        mod $family {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    $crate::contract::$family::$case(&$make().await).await;
                }
            )*
        }
    };
}
