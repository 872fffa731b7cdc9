"""Where each row of the fault matrix is tested: row -> tests, as file::function.

Rows: A orders over REST, B rate limits, C private channels, E requests for quotes (E9 is of FIX alone), F the
desk's own processes, G the exchange's life, H keys, people and rights, J the browser.
"""

ORDERS = "tests/orders"
WIRE = "tests/exchange/wire"
OWN = "tests/reliability"
RFQ = "tests/rfq"
HISTORY = "tests/history/test_faults.py"
TWO_PEOPLE = "tests/browser/test_rfq_two_people.py"
RECONCILE = "tests/history/test_reconcile.py"
PORTFOLIO = "tests/portfolio"
KILL = "tests/monitoring"
BACKUP = "tests/operations"
REAL = "tests/reliability/test_desk_faults.py"

ROWS: dict[str, tuple[str, ...]] = {
    "A1": (
        f"{ORDERS}/test_paper.py::test_a_lost_answer_ends_as_one_order",
        f"{ORDERS}/test_resolve.py::test_a_lost_answer_is_found_on_whichever_page_it_is",
    ),
    "A2": (
        f"{ORDERS}/test_paper.py::test_a_lost_request_ends_as_not_seen_and_no_order",
        f"{ORDERS}/test_resolve.py::test_a_lost_request_is_not_seen_once_the_data_has_passed_it",
    ),
    "A3": (
        f"{OWN}/test_orders.py::test_a3_an_order_that_arrives_after_it_was_called_not_seen_is_taken_back",
        f"{ORDERS}/test_resolve.py::test_not_seen_flips_when_the_websocket_reports_the_order",
    ),
    "A4": (f"{ORDERS}/test_paper.py::test_a_server_error_after_acting_is_looked_up",),
    "A5": (
        f"{ORDERS}/test_matrix.py::test_a5_an_answer_cut_at_any_byte_is_unknown_and_found",
        f"{WIRE}/test_client.py::test_every_prefix_of_an_answer_is_unknown_until_the_whole_order_is_there",
    ),
    "A6": (
        f"{ORDERS}/test_matrix.py::test_a6_a_2xx_without_an_order_is_unknown",
        f"{ORDERS}/test_gate.py::test_a6_two_accepted_orders_without_a_name_stop_the_next_one",
    ),
    "A7": (
        f"{ORDERS}/test_resolve.py::test_a_409_for_our_own_order_is_found",
        f"{ORDERS}/test_resolve.py::test_an_order_with_our_client_id_and_other_terms_raises_an_alarm_and_stays_unknown",
    ),
    "A8": (f"{WIRE}/test_client.py::test_a_write_that_may_have_left_is_never_sent_twice",),
    "A9": (
        f"{ORDERS}/test_matrix.py::test_a9_a_redirect_is_not_followed",
        "tests/paper/server/test_fault_sockets.py::test_a_redirect_names_its_target_and_nothing_was_done",
    ),
    "A10": (
        f"{ORDERS}/test_apply.py::test_whichever_source_is_first_the_intent_is_acked_once",
        f"{ORDERS}/test_apply.py::test_a_websocket_report_before_a_lost_answer_acks_it",
    ),
    "A11": (
        f"{OWN}/test_orders.py::test_a11_an_id_that_the_exchange_would_take_again_is_never_sent_again",
        "tests/faults/test_histories.py::test_a_wrong_protocol_is_caught",
    ),
    "A12": (f"{ORDERS}/test_cancel.py::test_a_404_after_a_fill_says_filled_and_never_failed",),
    "A13": (f"{ORDERS}/test_cancel.py::test_a_cancel_that_timed_out_is_repeated_until_the_order_is_terminal",),
    "A14": (
        f"{ORDERS}/test_change.py::test_a14_an_amend_that_timed_out_is_looked_up_and_never_sent_again",
        f"{ORDERS}/test_change.py::test_a14_an_amend_that_never_arrived_is_not_seen_until_evidence_says_otherwise",
    ),
    "A15": (
        f"{ORDERS}/test_batch.py::test_a15_each_line_has_its_own_outcome",
        f"{ORDERS}/test_batch.py::test_a15_a_lost_request_leaves_all_its_lines_unknown_and_none_is_sent_again",
    ),
    "A16": (
        f"{ORDERS}/test_resolve.py::test_an_order_is_not_called_unseen_while_the_reads_may_lag",
        f"{ORDERS}/test_resolve.py::test_a_listing_that_breaks_off_between_pages_keeps_it_unknown",
        f"{HISTORY}::test_a16_what_the_reads_do_not_show_yet_is_not_called_complete_and_comes_with_the_next_pass",
        f"{HISTORY}::test_a16_what_appears_between_two_pages_shifts_nothing",
        f"{RECONCILE}::test_a16_what_the_exchange_does_not_show_yet_is_not_compared",
    ),
    "A17": (
        f"{OWN}/test_orders.py::test_a17_an_order_that_is_archived_between_two_reads_is_found",
        f"{ORDERS}/test_resolve.py::test_an_old_intent_is_looked_for_in_the_historical_tier",
        f"{HISTORY}::test_a17_orders_that_are_archived_while_the_live_tier_is_read_are_found_in_the_other",
        f"{RECONCILE}::test_trades_that_moved_to_the_archive_are_no_break",
    ),
    "A18": (
        f"{ORDERS}/test_apply.py::test_a_fill_of_an_unknown_order_asks_for_a_sync",
        f"{ORDERS}/test_apply.py::test_a_fill_with_a_foreign_client_id_is_kept_as_it_is",
        f"{HISTORY}::test_a18_a_fill_whose_order_is_not_listed_is_kept_and_joined_when_it_is",
    ),
    "A19": (
        f"{ORDERS}/test_paper.py::test_an_order_placed_with_another_tool_is_found_and_external",
        f"{ORDERS}/test_apply.py::test_an_order_placed_elsewhere_is_external",
        f"{HISTORY}::test_a19_orders_of_another_tool_are_external_and_in_the_positions",
        f"{RECONCILE}::test_a19_an_order_placed_elsewhere_is_named_as_foreign",
    ),
    "A20": (
        f"{ORDERS}/test_paper.py::test_an_order_that_may_not_rest_never_shows_as_resting",
        f"{ORDERS}/test_paper.py::test_post_only_that_would_cross_ends_in_words_or_cancelled",
        f"{ORDERS}/test_send.py::test_a_killed_fill_or_kill_order_is_a_refusal_although_it_is_a_409",
        f"{OWN}/test_orders.py::test_a20_a_reduce_only_order_without_a_position_ends_in_the_exchanges_words",
    ),
    "A21": (f"{ORDERS}/test_matrix.py::test_a21_a_grid_that_changed_before_the_send_is_refused_here",),
    "A22": (
        f"{OWN}/test_orders.py::test_a22_a_certificate_that_nobody_vouches_for_gets_nothing",
        f"{OWN}/test_orders.py::test_a22_a_name_that_does_not_resolve_is_not_not_found",
    ),
    "B1": (f"{ORDERS}/test_matrix.py::test_b1_in_a_429_storm_a_create_is_refused_and_a_cancel_goes_on",),
    "B2": (
        f"{OWN}/test_orders.py::test_b2_looks_that_are_rate_limited_keep_it_unknown_and_come_at_most_each_half_minute",
        f"{ORDERS}/test_resolve.py::test_a_read_that_fails_keeps_it_unknown_and_says_why",
    ),
    "B3": (
        f"{WIRE}/test_limits.py::test_i13_cancels_go_on_when_creates_have_spent_their_share",
        f"{WIRE}/test_limits.py::test_all_processes_of_an_account_share_one_budget",
    ),
    "B4": (
        f"{WIRE}/test_client.py::test_an_answer_429_empties_our_bucket_too",
        f"{WIRE}/test_limits.py::test_new_limits_keep_what_was_spent",
    ),
    "C8": (
        f"{ORDERS}/test_apply.py::test_what_the_websocket_lost_the_sync_finds",
        f"{HISTORY}::test_c8_fills_whose_frames_were_lost_without_a_trace_are_found",
        f"{RECONCILE}::test_c8_a_fill_frame_that_was_lost_is_found_by_rest",
    ),
    "C9": (
        f"{ORDERS}/test_apply.py::test_a_fill_from_three_sources_is_one_fill_and_one_event",
        f"{ORDERS}/test_apply.py::test_orders_and_fills_in_any_order_end_alike",
        f"{HISTORY}::test_c9_a_fill_from_the_socket_the_reconcile_and_the_history_is_one_fill_and_one_piece_of_news",
        f"{RECONCILE}::test_c9_a_fill_that_comes_twice_is_no_difference",
    ),
    "C10": (
        f"{WIRE}/test_session.py::test_c10_every_error_code_ends_in_live_books_or_an_alarm",
        f"{WIRE}/test_session.py::test_c10_an_overflow_leads_to_smaller_steps",
    ),
    "E1": (
        f"{RFQ}/test_confirm_send.py::test_e1_who_dies_before_the_answer_is_followed_by_the_next",
        f"{RFQ}/test_confirm_deaths.py::test_two_confirmers_die_in_a_row_and_the_third_gets_it_through",
        f"{OWN}/test_rfq_processes.py::test_e1_e2_who_confirms_dies_at_a_hook_and_the_window_is_met",
        f"{OWN}/test_rfq_processes.py::test_e1_who_hears_dies_at_a_hook_and_the_window_is_met",
        f"{OWN}/test_rfq_processes.py::test_e1_gateway_and_worker_die_together_and_the_window_is_met",
        f"{RFQ}/test_stand_by.py::test_e1_who_stands_by_sends_what_a_dead_process_held",
        f"{RFQ}/test_stand_by.py::test_e1_e4_gateway_dead_and_frame_lost_it_is_heard_judged_and_sent",
    ),
    "E2": (
        f"{RFQ}/test_confirm_send.py::test_e2_a_lost_answer_is_found_by_reading_the_quote",
        f"{RFQ}/test_confirm_send.py::test_e2_who_dies_after_the_answer_has_confirmed_and_the_next_finds_that",
        f"{OWN}/test_rfq_processes.py::test_e1_e2_who_confirms_dies_at_a_hook_and_the_window_is_met",
    ),
    "E3": (
        f"{RFQ}/test_confirm_send.py::test_e3_what_did_not_arrive_is_sent_again_until_it_does",
        f"{RFQ}/test_confirm_send.py::test_e3_expired_is_missed_with_an_alarm",
        f"{RFQ}/test_confirm_send.py::test_e3_no_answer_until_the_end_is_missed_until_the_reading_says_otherwise",
    ),
    "E4": (
        f"{RFQ}/test_confirmations.py::test_e4_a_lost_accept_is_heard_by_the_sweep",
        f"{RFQ}/test_stand_by.py::test_e1_e4_gateway_dead_and_frame_lost_it_is_heard_judged_and_sent",
        f"{OWN}/test_rfq_processes.py::test_e4_an_accept_frame_that_is_lost_is_heard_by_reading",
        "tests/exchange/test_communications_feed.py"
        "::test_an_accept_is_heard_behind_ten_thousand_requests_on_the_other_connection",
    ),
    "E5": (
        f"{RFQ}/test_confirmations.py"
        "::test_e5_an_accept_that_is_heard_when_its_window_is_over_is_not_confirmed_and_raises_an_alarm",
        f"{OWN}/test_rfq_processes.py::test_e5_an_accept_frame_that_comes_late_changes_nothing_any_more",
    ),
    "E6": (
        f"{RFQ}/test_confirm_races.py::test_e6_two_people_take_quotes_of_one_request_at_once_and_one_accept_is_made",
        f"{RFQ}/test_accept_race.py::test_e6_two_people_in_the_same_millisecond_make_one_accept_a_thousand_times",
        f"{RFQ}/test_accepts.py::test_one_quote_of_a_request_is_taken_whoever_clicks",
    ),
    "E7": (f"{RFQ}/test_accepts.py::test_the_same_click_is_one_accept",),
    "E8": (
        f"{RFQ}/test_confirmations.py::test_e8_the_first_durable_decision_wins_and_both_are_shown",
        f"{RFQ}/test_confirmations.py::test_e8_a_person_who_declines_while_the_policy_confirms_is_told",
        f"{RFQ}/test_confirm_races.py::test_e8_confirm_and_lapse_at_once_leave_one_decision",
    ),
    "E10": (f"{RFQ}/test_quotes.py::test_e10_a_quote_that_was_given_up_and_shows_up_later_is_pulled",),
    "E11": (
        f"{RFQ}/test_quotes.py::test_what_the_exchange_or_sense_would_refuse_is_said_first",
        f"{RFQ}/test_requests.py::test_a_409_is_a_question_and_a_request_made_elsewhere_is_shown_as_such",
    ),
    "E12": (
        f"{RFQ}/test_confirm_send.py"
        "::test_e12_a_confirmed_quote_that_a_pause_ended_has_failed_once_its_fills_were_read",
    ),
    "E13": (
        f"{RFQ}/test_confirmations.py::test_e13_the_deadline_follows_the_exchanges_time_by_the_measured_offset",
        f"{RFQ}/test_confirmations.py::test_e13_nothing_is_accepted_after_it_was_heard_or_before_it_was_sent",
    ),
    "F1": (
        "tests/faults/test_killpoints.py::test_death_at_a_place_loses_nothing_and_doubles_nothing",
        "tests/faults/test_killpoints.py::test_the_variable_kills_a_real_process_at_the_named_time",
    ),
    "F2": (
        "tests/faults/test_processes.py::test_killed_processes_double_and_lose_nothing",
        "tests/supervisor/test_supervisor.py::test_a_process_that_dies_is_started_again",
    ),
    "F3": (f"{ORDERS}/test_recover.py::test_f3_without_a_database_nothing_is_sent",),
    "F4": (
        f"{ORDERS}/test_recover.py::test_f4_an_answer_that_the_database_did_not_take_is_kept_and_replayed",
        f"{ORDERS}/test_recover.py::test_f4_no_order_passes_until_the_file_is_written_down",
    ),
    "F5": (f"{ORDERS}/test_recover.py::test_f5_a_claim_that_cannot_be_written_sends_nothing",),
    "F7": (
        f"{HISTORY}::test_f7_a_database_of_an_hour_ago_is_brought_up_to_the_exchange",
        f"{HISTORY}::test_f7_an_order_of_ours_that_the_backup_does_not_know_is_joined_to_its_intent",
        f"{BACKUP}/test_after_restore.py::test_f7_what_was_sent_after_the_backup_is_found_and_nothing_is_sent_again",
        f"{BACKUP}/test_restore.py::test_trading_is_closed_until_it_was_compared_and_then_a_lead_opens_it",
    ),
    "F9": (
        f"{ORDERS}/test_queue.py::test_a_broker_that_is_away_is_noticed_at_once",
        f"{ORDERS}/test_queue.py::test_a_broker_that_hangs_holds_nobody_up",
        "tests/exchange/test_live.py::test_redis_down_breaks_nobody_is_logged_once_and_is_left_alone_for_a_moment",
        f"{KILL}/test_kill.py::test_one_pass_takes_everything_off_the_exchange_whoever_pulled",
    ),
    "F10": (
        f"{REAL}::test_f10_nothing_depends_on_what_redis_remembers",
        "tests/accounts/test_sign_in.py::test_a_code_works_once_even_when_the_cache_is_emptied",
    ),
    "F11": ("tests/web/test_socket.py::test_an_outage_of_redis_is_said_and_afterwards_everything_is_sent_again",),
    "F12": (
        f"{REAL}::test_f12_redis_full_loses_and_doubles_nothing",
        f"{REAL}::test_f12_with_redis_frozen_the_kill_switch_takes_everything_off",
    ),
    "F13": (
        f"{ORDERS}/test_tasks.py::test_every_message_three_times_is_every_message_once",
        f"{ORDERS}/test_tasks.py::test_an_hour_late_sends_no_create",
        f"{RFQ}/test_tasks.py::test_f13_every_message_three_times_is_every_message_once",
        f"{RFQ}/test_tasks.py::test_f13_an_hour_late_nothing_is_made_taken_or_confirmed",
    ),
    "F14": (
        f"{REAL}::test_f14_with_the_disk_full_nothing_new_is_sent_and_the_kill_switch_still_cancels",
        f"{KILL}/test_kill.py::test_a_database_that_does_not_take_it_leaves_a_file_that_holds_back_everything",
        f"{BACKUP}/test_backup.py::test_a_failure_leaves_no_file_keeps_the_old_ones_and_shows_in_the_health",
    ),
    "F16": (
        "tests/web/test_sockets_of_one.py"
        "::test_f16_with_no_room_left_viewers_wait_and_a_trader_takes_the_oldest_viewers_place",
    ),
    "F18": (f"{OWN}/test_shutdown.py::test_f18_a_desk_that_is_told_to_end_leaves_no_order_in_doubt",),
    "F19": (
        f"{REAL}::test_f19_without_the_signer_orders_are_refused_and_the_streams_stay",
        "tests/vault/test_envelope.py::test_a_process_without_the_private_half_opens_nothing",
    ),
    "F20": (
        f"{KILL}/test_kill.py::test_f20_without_a_trail_nothing_is_submitted_and_nothing_is_sent",
        f"{KILL}/test_kill.py::test_a_database_that_does_not_take_it_leaves_a_file_that_holds_back_everything",
    ),
    "G1": (
        f"{ORDERS}/test_matrix.py::test_g1_in_a_trading_pause_creates_are_refused_with_the_reason_and_cancels_pass",
    ),
    "G2": (f"{ORDERS}/test_control.py::test_g2_a_cancel_that_the_exchange_refuses_is_asked_for_again",),
    "G3": (
        f"{ORDERS}/test_matrix.py::test_g3_orders_that_vanish_in_a_pause_without_an_event_are_found_gone",
        f"{RECONCILE}::test_an_order_whose_end_was_never_pushed_is_named",
    ),
    "G4": (f"{ORDERS}/test_matrix.py::test_g4_our_own_timer_closes_a_market_that_closes_without_an_event",),
    "G5": (f"{OWN}/test_markets.py::test_g5_a_market_that_comes_back_has_cancelled_every_resting_order",),
    "G6": (f"{OWN}/test_markets.py::test_g6_a_close_that_moves_moves_our_own_timer_and_a_market_may_open_again",),
    "G7": (
        f"{RECONCILE}::test_g7_a_market_that_settled_while_we_were_away_is_named_and_resolves",
        f"{PORTFOLIO}/test_records.py::test_a_corrected_settlement_is_a_new_row_and_the_first_one_stays",
        f"{PORTFOLIO}/test_records.py::test_void_and_scalar_settlements_keep_what_the_exchange_said",
        f"{PORTFOLIO}/test_statements.py::test_the_ledger_equals_the_exchange_for_every_subaccount",
    ),
    "G8": (
        f"{HISTORY}::test_g8_fees_are_booked_as_the_exchange_took_them_whatever_our_model_says",
        f"{PORTFOLIO}/test_statements.py::test_the_ledger_equals_the_exchange_for_every_subaccount",
        f"{RECONCILE}::test_g8_a_fee_that_differs_is_adopted_from_the_exchange",
    ),
    "H1": (
        f"{REAL}::test_h2_then_h1_a_rotated_key_hands_over_and_a_deleted_one_ends",
        "tests/exchange/test_key_refused.py::test_h1_only_a_refused_signature_puts_the_key_in_doubt",
        "tests/exchange/test_key_refused.py::test_h1_each_key_of_the_account_is_tested_once_for_a_burst_of_refusals",
    ),
    "H2": (
        f"{REAL}::test_h2_then_h1_a_rotated_key_hands_over_and_a_deleted_one_ends",
        "tests/vault/test_pages.py::test_a_replacement_that_is_refused_leaves_the_old_key_live",
    ),
    "H3": (
        "tests/web/test_socket.py::test_h3_a_viewer_watches_but_cannot_trade",
        "tests/vault/test_envelope.py::test_h3_a_read_key_signs_no_write",
        "tests/vault/test_envelope.py::test_h3_a_row_made_wider_in_the_database_still_signs_no_write",
    ),
    "H4": (
        f"{RFQ}/test_approvals.py::test_an_author_who_lost_the_right_sends_nothing",
        f"{RFQ}/test_confirm_send.py::test_h4_the_right_and_the_pause_are_asked_for_again_before_the_send",
        f"{ORDERS}/test_send.py::test_what_changed_between_commit_and_send_stops_the_send",
        "tests/accounts/test_access.py::test_roles_are_fresh_on_every_request_and_message",
        "tests/web/test_socket.py::test_a_right_that_ends_while_the_tab_is_open_closes_its_socket",
    ),
    "H5": (
        f"{RFQ}/test_approvals.py::test_nobody_approves_what_they_asked_for",
        f"{RFQ}/test_approvals.py::test_whatever_is_edited_in_what_was_asked_nothing_is_sent",
        f"{RFQ}/test_approvals.py::test_a_used_or_declined_approval_is_not_used_again",
        "tests/accounts/test_four_eyes.py::test_nobody_approves_their_own_with_whatever_roles",
        "tests/accounts/test_four_eyes.py::test_a_request_that_was_edited_is_refused",
        "tests/accounts/test_four_eyes.py::test_an_approval_works_once",
    ),
    "H6": (
        "tests/vault/test_envelope.py::test_h6_a_demo_key_does_not_open_on_a_production_account",
        "tests/vault/test_envelope.py::test_h6_h7_a_seal_does_not_open_anywhere_else",
    ),
    "H7": (
        "tests/vault/test_envelope.py::test_h7_rows_swapped_between_accounts_do_not_open_and_leave_an_alarm",
        "tests/vault/test_envelope.py::test_h7_an_old_ciphertext_put_back_after_a_rotation_does_not_open",
        f"{KILL}/test_kill_direct.py::test_an_edited_file_opens_nothing",
    ),
    "H8": ("tests/vault/test_rotation.py::test_h8_killed_at_every_step_every_key_opens_and_the_next_run_finishes",),
    "H9": (
        f"{ORDERS}/test_control.py::test_h9_the_sender_checks_again",
        f"{ORDERS}/test_control.py::test_orders_per_minute_count_orders_of_the_last_minute",
        f"{ORDERS}/test_control.py::test_each_limit_refuses_and_the_figure_itself_is_allowed",
    ),
    "H10": ("tests/vault/test_pages.py::test_h10_the_same_key_twice_is_explained",),
    "J1": (
        "tests/browser/test_reliability.py::test_j1_a_line_that_breaks_behind_the_click_ends_as_one_order",
        f"{TWO_PEOPLE}::test_j1_a_line_that_breaks_behind_the_accept_ends_as_one_accept_or_none",
    ),
    "J2": ("tests/browser/test_stale.py::test_j2_a_tab_that_slept_says_so_before_it_shows_the_present_book",),
    "J3": (
        f"{OWN}/test_changes.py::test_j3_an_amend_does_not_grow_back_what_a_decrease_has_made_smaller",
        "tests/browser/test_reliability.py"
        "::test_j3_a_change_of_an_order_that_somebody_else_changed_is_refused_and_loses_nothing",
        f"{TWO_PEOPLE}::test_j3_two_people_take_two_quotes_of_one_request_and_one_is_taken",
    ),
    "J4": (
        "tests/browser/test_ladder.py::test_j4_a_session_that_ends_keeps_the_ticket_and_sends_nothing",
        f"{TWO_PEOPLE}::test_j4_a_session_that_ends_keeps_the_request_that_was_typed_and_sends_nothing",
    ),
    "J6": (
        "tests/web/test_pace.py::test_a_traders_browser_waits_for_no_viewer",
        "tests/web/test_lanes.py::test_who_acts_the_kill_switch_and_probes_do_not_wait_for_them",
        "tests/web/test_client.py::test_a_browser_that_does_not_read_gets_only_the_newest_when_it_reads_again",
    ),
}
