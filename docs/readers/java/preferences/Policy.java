package preferences;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.util.ArrayList;
import java.util.List;

/** One version of the operator's policy (docs/policy.md); without any, silence is no consent and nothing is exempt. */
record Policy(JsonNode fields) {

    private static final long DAY = 86_400_000L;
    static final Policy NONE = new Policy(MissingNode.getInstance());

    boolean numberLiftsAccount() {
        return fields.path("number_lifts_account").asBoolean(false);
    }

    boolean grantsReachLaterLinks() {
        return fields.path("grants_reach_later_links").asBoolean(false);
    }

    boolean unknownSendersPass() {
        return fields.path("unknown_senders_pass").asBoolean(true);
    }

    boolean neverNeedsConsent(String purpose) {
        return nearest(purpose, "never_needs_consent");
    }

    boolean exemptFromSenderCheck(String purpose) {
        return nearest(purpose, "exempt_from_sender_check");
    }

    /** A statement counts up to its own end and to the age that the policy gives its basis, both inclusive. */
    boolean inTime(Entry statement, long at) {
        JsonNode until = statement.fields().path("valid_until");
        JsonNode days = fields.path("max_age_days").path(String.valueOf(statement.text("basis")));
        return (!until.isNumber() || at <= until.longValue())
                && (!days.isNumber() || at <= statement.occurred() + days.longValue() * DAY);
    }

    /** Whether silence is enough: the nearest purpose that says something for this message decides, else it is not. */
    boolean permitsSilence(Question question) {
        for (JsonNode said : said(question.purpose())) {
            JsonNode regime = said.path("regime");
            if (regime.isTextual()) {
                return regime.textValue().equals("opt_out");
            }
            for (JsonNode rule : regime) {
                String place = rule.path("jurisdiction").asText("*");
                if ((place.equals("*") || place.equals(question.jurisdiction()))
                        && Entry.covers(rule.path("channel").asText("*"), question.channel())) {
                    return rule.path("regime").asText().equals("opt_out");
                }
            }
        }
        return false;
    }

    private boolean nearest(String purpose, String name) {
        return said(purpose).stream()
                .map(said -> said.path(name))
                .filter(JsonNode::isBoolean)
                .findFirst()
                .map(JsonNode::booleanValue)
                .orElse(false);
    }

    /** What is said of a purpose and of those above it, the nearest first. */
    private List<JsonNode> said(String purpose) {
        List<JsonNode> found = new ArrayList<>();
        for (String path = purpose; ; path = path.substring(0, path.lastIndexOf('.'))) {
            if (fields.path("purposes").has(path)) {
                found.add(fields.path("purposes").get(path));
            }
            if (!path.contains(".")) {
                return found;
            }
        }
    }
}
