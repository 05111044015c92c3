package preferences;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;

/** Where the rules find the parts of a subject's state, in order; none where nothing was ever recorded. */
interface States {
    List<JsonNode> parts(String subject);
}
