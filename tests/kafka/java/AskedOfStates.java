package preferences;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** The rules alone: on each line of input states and a question, `{"states": {SUBJECT: [PART, …]}, "question": …}`. */
final class AskedOfStates {

    public static void main(String[] arguments) throws Exception {
        var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            JsonNode given = Reader.JSON.readTree(line);
            Answer answer = Rules.answer(
                    subject -> parts(given.required("states").path(subject)), Question.of(given.required("question")));
            System.out.println(Reader.JSON.createObjectNode()
                    .put("allowed", answer.allowed())
                    .put("reason", answer.reason())
                    .set("evidence", Reader.JSON.valueToTree(answer.evidence())));
        }
    }

    private static List<JsonNode> parts(JsonNode state) {
        List<JsonNode> parts = new ArrayList<>();
        state.forEach(parts::add);
        return parts;
    }
}
