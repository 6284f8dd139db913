"""The clause patterns and frames of the bundled corpus, by split and topic, one to a line.

A line that ends in `.`, `?`, `!` or `:` is a whole sentence; any other line is a clause, which the generator ends with
a full stop or puts into a frame. `{slot}` is a name or a phrase of `sample_words`; `{number}` and its like are drawn.
A line in the topic "plain" holds no entity. No line stands in two splits, in the same or in other words: a test
compares them with their slots blanked. Words are separated by spaces as in the CSV.
"""

FRAMES = {
    "train": """
        {speaker} {said} that {clause}
        {speaker} said {clause}
        {clause} , {speaker} {said}
        " {clause} , " {speaker} {said}
        {media} reports that {clause}
        {clause} , according to {speaker}
        {speaker} told {media} that {clause}
        in a statement {on} , {speaker} {said} that {clause}
        {clause} , and {clause}
        {clause} , while {clause}
        {clause} ; {clause}
        {clause} , but {speaker} {said} that {clause}
        {speaker} told {media} that {clause} , that {clause} and that {clause}
    """,
    "validation": """
        {clause} , said {speaker}
        it was {speaker} who first reported that {clause}
        {clause} , {media} said {on}
        " We know that {clause} , " {speaker} told reporters
        {clause} ; meanwhile , {clause}
        {clause} ; in other news , {clause}
        {media} carried three stories {on} : {clause} ; {clause} ; {clause}
    """,
    "test": """
        {speaker} denied {on} that {clause}
        asked about the matter , {speaker} {said} only that {clause}
        {clause} , a source close to {org} told {media}
        " {clause} , " {speaker} wrote in a letter to {media} , " and {clause} "
        {clause} ; at the same time , {clause}
        as {media} first reported , {clause}
        {speaker} still had to explain why {clause}
        it is no secret that {clause} , {speaker} {said}
        {speaker} made three points in {town} {on} : that {clause} , that {clause} , and that {clause}
    """,
}

PLAIN_FRAMES = {
    "train": """
        {plain_speaker} said that {clause}
        {clause} , and {clause}
        {clause} , {plain_speaker} said
        {clause} ; also , {clause}
    """,
    "validation": """
        {plain_speaker} explained why {clause}
        {clause} ; besides , {clause}
    """,
    "test": """
        nobody doubts that {clause}
        {clause} , or so {plain_speaker} claimed
        {clause} ; what is more , {clause}
    """,
}

TRAIN = {
    "politics": """
        {gov} has rejected a proposal by {gov} to {to_act}
        {who} met {adj} officials in {town} {on} to discuss {issue}
        {capital} and {capital} have agreed to resume talks on {issue}
        voters in {country} go to the polls {soon} to choose a new {office}
        the {demonym} parliament approved a law on {issue} by {number} votes to {number}
        {party} won {number} of the seats contested in {geo}
        {first_last} was elected {office} of {country} {past}
        {sur} resigned {on} {after}
        lawmakers from {party} walked out of the chamber before {sur} could speak
        a delegation led by {leader} will travel to {country} {soon}
        {inst} urged {gov} to {to_act}
        the agreement , known as the {law} , was signed in {town} in {year}
        more than {number} people marched through {town} {on} over {issue}
        {gov} , which borders {countries} , closed its embassy in {town} {past}
        the {office} , {first_last} , is expected in {capital_town} {soon}
        {capital} wants {gov} to {to_act}
        {people} living in {country} may vote by post from {month}
        relations between {gov} and {gov} cooled {past}
        supporters of {sur} gathered outside the {place} {on}
        {president} and the {adj} prime minister spoke by telephone {on}
        {first_last} served as {office} under {sur} from {year} to {year}
        {sur} , a former {role} , leads {party} in the polls
        the {law} gives {people} the right to appeal
        both {party} and {party} oppose the plan on {issue}
        Will {sur} stand for {office} again in {year} ?
        {date_md} was chosen as the day of the vote .
        The Prime Minister said nothing about {issue} , and neither did {sur} .
        what worries {sur} is the quarrel between {gov} and {gov}
        when {capital} asked {gov} to {to_act} , {gov} refused
        no member of {party} trusts {sur}
        {country} 's foreign minister , {first_last} , left for {town} {on}
        {sur} 's opponents in {geo} want a vote on {issue}
        {gov} sells {goods} to {gov} in return for {goods}
        without the votes of {party} , {sur} cannot pass the {law}
        rivals of {sur} in {party} met in {town} {on}
        a letter from {sur} to {sur} was read out in {capital_town}
        since {year} , {gov} has had four prime ministers
        Does {gov} want peace with {gov} ?
        Who advises {sur} on {issue} ?
    """,
    "conflict": """
        {adj} troops crossed the border near {nature} {on}
        soldiers found {num} rifles in a house outside {town}
        a truce between the {adj} army and rebels in {geo} has held since {month}
        {num} {victims} left {town} for {country} after the {event_noun}
        {inst} sent blankets and tents to camps around {town}
        the {battle} ended in {month_year} with the surrender of {num} soldiers
        {officer} commanded the {adj} forces at the {battle}
        {people} and {people} fought side by side in the {battle}
        {gov} accused {gov} of moving tanks toward {geo}
        peacekeepers from {countries} patrol the road to {town}
        a convoy carrying {goods} reached {town} from {country} {on}
        the rebels , who are based in {geo} , freed {per} {on}
        {per} was captured near {town} and held until {month_year}
        the mine near {place} was cleared by {adj} engineers
        when {title_sur} reached {town} , the {battle} was over
        a brother of {first} died in the {battle}
        what {gov} wanted was a port on {sea}
        only {gov} and {gov} voted against the truce
    """,
    "sport": """
        {team} beat {team} {win} {on}
        {first_last} scored twice as {team} won {win} at {ground}
        {team} have signed {first_last} from {team} for {money}
        {sur} missed the match against {team} with a sore {body}
        {demonym} champion {first_last} won the {contest} for the third time
        {first_last} of {country} finished second in the {contest}
        {team} , coached by {first_last} , are top of the league
        the {contest} was held in {town} {past}
        {first_last} set a {demonym} record of {decimal} meters in {town} {on}
        fans of {team} travelled to {town} by train
        {team} and {team} drew {draw} in front of {number} spectators
        {sur} will not play again before {month} because of a {body} injury
        {country} will meet {country} in the final of the {contest} {soon}
        {first} was eight when the family moved from {town} to {town} to be near the {sport} club
        {team} sold the defender to {team} in {month_year}
        {people_list} qualified for the {contest}
        The results : {team} {score} {team} ; {team} {score} {team} ; {team} {score} {team} .
        the match between {team} and {team} was called off because of {weather}
        without {sur} , {team} had no answer to {sur} and {sur}
        a mistake by {sur} cost {team} the {contest}
        the crowd cheered when {sur} scored against {team}
        {first_last} left {team} for {team} {past}
        {team} 's coach , {first_last} , praised {sur}
        what {team} need is a player like {sur} of {team}
        only {team} have beaten {team} since {month}
        Who will replace {sur} at {team} ?
    """,
    "business": """
        {company} will close its factory in {town} {soon}
        shares in {company} fell {pct} {on}
        {company} has agreed to buy {company} for {money}
        {first_last} became chief executive of {company} in {month_year}
        profits at {company} rose {pct} in the three months to {month}
        {country} sells {goods} and {goods} to {countries}
        {adj} exports of {goods} fell {pct} {past}
        {company} , based in {town} , makes {goods}
        {inst} lent {money} to {gov} {on}
        the {product} , made by {company} , goes on sale {soon}
        {company} hired {per} from {company} {on}
        {num} workers at the {company} plant in {town} voted to strike
        {companies} sell {goods} in {country}
        {sur} founded {company} in {year} with a loan of {money}
        {company} was fined {money} under the {law}
        {media} said {company} had sold its {adj} business
        about {number} people work for {company} in {geo}
        the {demonym} central bank left interest rates unchanged {on}
        an apple a day is the joke that staff at {company} like to tell .
        Target prices for {goods} were missed , and {company} cut its forecast for {year} .
        {company} ( {decimal} percent ) and {company} ( {decimal} percent ) led the gains .
        the {demonym} branch of {company} made {money} {past}
        what {company} pays {company} for {goods} is a secret
        an offer from {company} for {company} was turned down by {sur}
        {company} 's sales in {country} rose {pct}
        {town} 's largest employer is {company}
        customers of {company} complained about the {product}
        when {sur} joined {company} , it had {small} employees
        because of a strike in {town} , {company} bought {goods} from {company}
        neither {company} nor {company} has paid {inst}
        no bank but {company} would lend to {company}
        the dispute between {company} and {sur} ended in {month_year}
    """,
    "science": """
        {demonym} scientists have found a new species of frog near {geo}
        a team at {lab} used a {instrument} to study {topic}
        {per} of {lab} won the {award} for work on {topic}
        the {product} {instrument} was launched from {country} {past}
        {sur} published a paper on {topic} {past}
        {num} {animal} were counted near {nature} in {month}
        {lab} and {lab} will share data on {topic}
        {adj} engineers tested the {product} over {geo} {on}
        the {vessel} , a research ship , will leave {town} for {sea} {soon}
        the samples were taken from {nature} {past} by {per}
        {who} studies {topic} at {lab}
        {first_last} first described the effect in {year}
        {per} will give a lecture on {topic} at {lab} at {clock} on {weekday}
        {country} lost {pct} of its forest between {year} and {year}
        the {award} went to {people_list} for their research on {topic}
        what {sur} saw through the {instrument} surprised {lab}
        the theory of {sur} was tested on board the {vessel}
        without money from {inst} , {sur} could not have studied {topic}
        when the {product} passed over {sea} , its {instrument} failed
    """,
    "weather": """
        {storm} {damage} in {geo} {on}
        forecasters expect {storm} to reach {country} {soon}
        {bare_storm} weakened to a tropical storm before it reached {town}
        {number} people left their homes in {town} before {storm} arrived
        {weather} is expected across {geo} {soon}
        at least {small} people died when {storm} struck {country} {past}
        the damage done by {bare_storm} in {geo} will cost {money}
        an earthquake shook {town} at {clock} {on}
        {river} rose by {decimal} meters {on} , and {num} {victims} were moved
        {month} was the driest month in {country} since {year}
        {storm} was the strongest storm since {bare_storm} in {year}
        insurers are still paying for {bare_storm}
        what {bare_storm} left of {town} could be seen from the air
        after {bare_storm} came {bare_storm} , and {town} was flooded again
        the winds of {storm} were felt as far away as {town}
        when {bare_storm} reached {sea} , it grew stronger
        the worst of {bare_storm} is over for {geo}
    """,
    "health": """
        {virus} has spread from {country} to {country}
        {num} new cases of {virus} were reported in {town} {on}
        a vaccine against {virus} is being tested by {company}
        {inst} sent doctors to {town} to treat {virus}
        two {victims} in {geo} died of {virus} {past}
        {demonym} hospitals have recorded no case of {virus} since {month_year}
        {per} caught {virus} while working in {country}
        {who} warned that {virus} could return {soon}
        farmers in {geo} killed {number} chickens to stop {virus}
        {inst} will pay for {number} beds in {town}
        {sur} was taken to hospital in {town} {on} with an injured {body}
        when {virus} came to {town} , the schools were closed
        the search for a drug against {virus} has cost {inst} {money}
        only {small} of the {victims} with {virus} had been to {country}
        what is known about {virus} comes from {country}
    """,
    "culture": """
        {first_last} wrote " {work} " while living in {town}
        the novel " {work} " by {per} was published in {month_year}
        " {work} " opens in {town} {soon} with {first_last} in the main role
        {first_last} 's novel " {work} " is set in {town}
        {per} sang " {work} " at the {festival} in {year}
        the {festival} takes place in {town} every {month}
        {work} , a film by {demonym} director {first_last} , won the {award}
        the painting " {work} " was sold in {town} for {money}
        {num} visitors came to the {festival} {past}
        {first_last} taught {demonym} history at {inst}
        {sur} played the piano at the opening of {place}
        {media} called " {work} " the best {demonym} film of the year
        {first} read " {work} " twice in {month}
        the {award} for {year} was shared by {people_list}
        the {vessel} sank in {sea} in {year} with {num} {victims} on board
        {per} sailed on the {vessel} from {town} to {town} {past}
        the {people} brought the recipe to {geo} {past}
        {demonym} music was played at the wedding of {first} and {first}
        what makes " {work} " the best film of {sur} is the music
        when the {festival} ended , {first} went back to {country}
        the crew of the {vessel} came from {countries}
        for years nobody but {sur} could play " {work} "
        the prize is called the {award} after a {role} from {town}
    """,
    "life": """
        {first} lives in {town} and works for {company}
        {first} and {first} took the train from {town} to {town} {on}
        my sister {first} married {per} in {month_year}
        {first} bought a {household} from {company} {on}
        we spent {month} in {geo} with {first}
        the {place_noun} on {street} is closed until {month}
        {first} has an appointment with {title_sur} at {clock} on {weekday}
        our neighbors , {first_last} and {first_last} , are {people}
        {first} cooked {demonym} food for {holiday}
        the bus to {town} leaves {place} at {clock}
        {first} moved to {country} {past} to teach {sport}
        {sur} taught us history in {town}
        {first} asked whether the shop on {street} sells {food}
        Dear {title_sur} , thank you for your letter of {date_md} .
        Dear {first} , I arrived in {town} on {weekday} and the hotel is very good .
        Yours sincerely , {per} .
        May I bring {first} to the party on {date_md} ?
        Will you call {first} before {weekday} ?
        Mark the date : {first} and {first} come home on {date_md} .
        March with us from {place} to {place} on {weekday} !
        Rose petals covered the floor of the church where {first} married {first_last} .
        Please give my love to {first} and to everyone in {town} .
        {first} , can you meet me at {place} at {clock} ?
        the lamp that {first} gave {first} came from {country}
        when {first} was ill , {sur} fed the dog
        no one at {company} remembers {first}
        {first} 's brother works for {company}
        {first} lost {first} 's {household}
        every {weekday} {sur} plays {sport} with {first}
        without {first} we would never have found {street}
        the letter that {first} sent from {town} took a month
        {first} , {first} and {first} share a flat in {town}
        it was so cold in {town} that {first} came home
        on {date} {first} turned {age}
        Ask {first} whether {first} is in {town} .
        Give the keys to {first} or leave them with {title_sur} .
        Are {first} and {first} going to {town} with {sur} ?
        What did {sur} say to {first} ?
        Where does {first} live now , in {town} or in {town} ?
        Has {first} heard from {sur} since {month} ?
        Kind regards from {first} and {first} .
    """,
    "reports": """
        the report was written by {per} for {inst} in {month_year}
        {num} people in {geo} answered the survey {past}
        table {small_digit} shows the price of {goods} in {countries}
        the field " country " reads {code} for {number} of the rows sent by {inst}
        {inst} counted {number} {people} in {town} in {year}
        a road from {town} to {town} was completed {past} at a cost of {money}
        {people} make up {pct} of the population of {geo}
        {country} covers {number} square kilometers and borders {countries}
        {town} , the largest town in {geo} , has {number} inhabitants
        {first_last} answered " {answer} " to the question about {geo}
        the register of {year} lists {num} ships , among them the {vessel}
        Contact : {per} , {inst} , {town} .
        Source : {inst} , {year} .
        Author : {first_last} ; editor : {first_last} ; year : {year} .
        Chapter Two describes the {battle} and the years after it .
        Letters to the Editor should reach {media} by {weekday} .
        Annual Report on Water Quality , {inst} , {month_year} .
        when this page was printed , {inst} had {number} members
        only {small} of the towns in {geo} sent figures , among them {town}
        the figures for {month_year} came from {inst} and those for {year} from {company}
    """,
    "history": """
        {town} was founded by {people} in {year}
        {first_last} was born in {town} in {year} and died in {town} in {year}
        the {people} ruled {geo} until {year}
        {title_sur} opened {place} {past}
        {country} became independent {past} under {per}
        {place} is named after {first_last} , a {demonym} {role}
        after the {battle} , {number} {people} settled in {geo}
        trade between {town} and {town} grew in the {decade}
        the {battle} began on {date_md}
        {town} was part of {country} before the {battle}
        the church in {town} was built in {year} by {demonym} masons
        when {sur} came to {town} , it was a village
        the sons of {sur} sold {place} to {company}
        what the {people} called {town} is now {town}
    """,
    "crime": """
        police in {town} arrested {per} {on}
        {per} , {age} , was jailed in {town} for stealing {goods}
        a court in {country} ordered {company} to pay {money}
        {sur} denied taking money from {company}
        detectives want to speak to {first_last} about a fire at {place}
        {who} was found guilty under the {law} {on}
        {num} {people} were detained at {place} {on}
        {judge} sent the case back to {town}
        lawyers for {sur} asked the court in {town} to wait until {month}
        the thieves took a painting called " {work} " from {inst}
        what {sur} told the police about {first_last} was not true
        the car that {per} stole was found near {town}
        when police came to {place} , {sur} had gone
        the money went from {company} to {sur}
    """,
    "plain": """
        the {quality} {thing} lasted almost three hours
        {num} {victims} were rescued after the {event_noun}
        the price of {goods} has risen by {pct}
        the {place_noun} will be closed for repairs
        {weather} delayed the {thing} by an hour
        the {role} left the room {manner}
        the old {place_noun} was built of {material}
        my {household} broke {when} , so I borrowed another
        we had {food} and {food} {when}
        the {bird} return to the same lake each spring
        {pct} of those asked had never played {sport}
        most {victims} had left before the {event_noun} began
        the study of {topic} needs better instruments
        the children learnt {sport} at school
        the new rules on {issue} are hard to follow
        a {role} and a {role} shared the cost of the {thing}
        talks on {issue} ended without a decision
        workers on the night shift asked for higher pay
        the {instrument} stopped sending data {when}
        the company plans to sell {goods} and {goods} abroad
        the column holds the value {code} in {number} rows
        {small} people answered " {answer} " and {small} gave no answer
        the {role} hurt an ankle on the way to the {place_noun}
        a box of {goods} fell from the truck
        farmers here grow {plant} and keep {livestock}
        the {event_noun} destroyed {num} houses
        no one was hurt in the {event_noun}
        the government has promised to act on {issue}
        May I borrow your {household} ?
        Will the {place_noun} be open {when} ?
        Mark each answer with a pencil before you close the booklet .
        March in step , said the instructor , and look ahead .
        Rose bushes need water {when} in a dry year .
        Brown bread keeps longer than white bread .
        Bush fires are common after a dry spring .
        Apple trees should be pruned before the buds open .
        Turkey is roasted slowly and served with {food} .
        Reading aloud helps children to learn new words .
        Nice weather brought many {victims} to the park .
        Ford the stream where the water is shallow .
        Orange juice and {food} were served {when} .
        Bill the client for {number} hours of work .
        Hope is not a plan , the {role} said .
        Stone walls divide the fields on both sides of the road .
        Long delays are expected on the coastal railway .
        Young players of {sport} need rest after training .
        Who broke the {household} ?
        How long did the {thing} last ?
        Nothing was decided .
        It rained {when} .
        Doors open early .
        Wait outside .
        Thank you .
        The Chief Executive and the Finance Director declined to comment on the {thing} .
        Press the green button twice and wait until the light goes out .
        None of the {number} {victims} was injured .
        If the field is empty , the program writes {code} instead of {code} .
        Please send the form back to the Office Manager {when} .
        I have never eaten better {food} .
        " The {household} is not mine , " said the {role} .
        " Nobody told us about the {event_noun} , " a witness said .
        He was late for the {thing} and she was early .
        Section {small_digit} : Safety Rules for Visitors .
        Notes : {answer} .
        Polish the {household} with a soft cloth .
        The CEO spoke about GDP , the TV market and the cost of DNA tests .
        Those who want to play {sport} should bring water , shoes and a towel .
        what the {victims} want is a new {place_noun}
        when the {event_noun} began , the {thing} was over
        without a {household} the evening would be cold
        because of {weather} , the {place_noun} stayed empty
        only {small} of the {victims} had heard of the {event_noun}
        When in doubt , ask the {role} .
        Tell the {role} that the {household} has arrived .
        Where did you buy the {food} ?
        Ask at the {place_noun} for a map .
        Of all the {bird} on the lake , {small} had rings .
        Price is not everything .
        Wood burns faster than coal .
        Fields of {plant} lined the road .
        Shell is the hard part of an egg .
        Best before the end of the year .
    """,
}

VALIDATION = {
    "politics": """
        a bill on {issue} was blocked in {town} by {party} {on}
        the decision of {gov} to {to_act} surprised {gov}
        {who} has been named {office} of {country}
        neither {capital} nor {capital} will comment on {issue}
        for {sur} , the vote in {geo} is a test of the {law}
        {adj} ministers , among them {per} , flew to {town} {on}
        after the talks with {gov} , {sur} thanked the people of {town}
        a {demonym} court ruled that {party} may take part in the vote {soon}
        {per} has promised {people} a vote on {issue} {soon}
    """,
    "conflict": """
        the bridge to {town} was guarded by {count} {adj} soldiers
        during the {battle} , {per} wrote home from {town}
        {gov} will pull its soldiers out of {geo} {soon}
        aid from {inst} was stopped by rebels on the road between {town} and {town}
        {title_sur} said the {people} had asked for a truce
        the {battle} cost {number} lives
    """,
    "sport": """
        a late goal by {sur} gave {team} a {win} win over {team}
        the {contest} begins in {town} {soon} without {first_last}
        {team} paid {team} {money} for {first_last}
        {first_last} , the {demonym} goalkeeper , has joined {team}
        with {sur} injured , {team} lost {win} to {team}
        in {town} , {first_last} of {country} took the {contest} from {first_last}
    """,
    "business": """
        the owner of {company} , {per} , lives in {town}
        {company} 's {demonym} customers include {company}
        {goods} from {country} cost {pct} more than in {year}
        a rival of {company} , {company} , will open a shop on {street} {soon}
        the sale of {company} to {company} was stopped by {gov} {on}
        {company} stopped making the {product} {past}
        according to {inst} , {adj} firms owe {money} to {company}
        the {product} costs less than the {product} in {country}
    """,
    "science": """
        the oldest bones in {geo} were found {past} by a {role} from {lab}
        with the {product} , {adj} researchers can measure {topic}
        the {award} will be given to {per} in {town} {soon}
        on board the {vessel} , {sur} and a {adj} crew mapped {sea}
        {bird} from {country} spend {month} near {river}
    """,
    "weather": """
        in {town} , {storm} {damage}
        when {bare_storm} hit {country} , {number} people were asleep
        nobody in {town} has forgotten {storm}
        {weather} followed {bare_storm} in {geo} {on}
        the path of {storm} leads across {sea} to {country}
        a second storm , {bare_storm} , formed over {sea} {on}
    """,
    "health": """
        nurses in {town} were the first to see signs of {virus}
        {country} has asked {inst} for drugs against {virus}
        bats may have carried {virus} into {geo} {past}
        of the {number} {people} tested for {virus} , {small} were ill
        the clinic that {title_sur} opened in {town} treats {virus}
        the spread of {virus} has slowed in {country} , {inst} found
    """,
    "culture": """
        with " {work} " , {per} won the {award} in {year}
        {adj} dancers will open the {festival} in {town} {soon}
        in the film " {work} " , {first_last} plays a {role} from {town}
        the wreck of the {vessel} was found in {sea} {past}
        {first_last} bought " {work} " at the {festival}
        a song called " {work} " made {first} famous in {country}
        the author of " {work} " is buried in {town}
    """,
    "life": """
        in {month} , {first} will start work at {company} in {town}
        it was {first} who found the {household} on {street}
        the children , {first} and {first} , have {demonym} passports
        {first} found {sur} 's letter in the {household}
        on {weekday} {first} sold the {household} to {sur}
        Was {first} in {town} for {holiday} ?
        I saw {first} and {title_sur} at the {place_noun} on {weekday} .
        Could {first} pick us up at {place} at {clock} ?
        With best wishes from {town} , {first} .
        " Is {first} still in {country} ? " asked {first} .
    """,
    "reports": """
        in {year} , {inst} asked {number} {people} about {issue}
        of the {number} forms from {town} , {small} held only {code}
        the distance from {town} to {nature} is {number} kilometers
        in {country} , {goods} from {geo} may be sold only with a licence
        to " Where were you born ? " , {first_last} wrote " {answer} "
        Prepared for {inst} by {first_last} , {date_dmy} .
        See also : {people_list} , " {work} " , {year} .
    """,
    "history": """
        {place} in {town} dates from the {decade}
        in {year} the {people} sold {region} to {gov}
        it was in {town} that {first_last} met {title_sur}
        many {people} left {country} for {geo} {past}
        before the {battle} , {town} was a {demonym} port
    """,
    "crime": """
        the man arrested at {place} was named as {per}
        for the theft , {sur} was sent to prison in {country} {on}
        a former {role} at {company} , {per} , faces trial {soon}
        {adj} police stopped a lorry full of {goods} near {town}
    """,
    "plain": """
        for the third time this year , the {place_noun} was damaged by a {event_noun}
        there were {count} {victims} in the {place_noun}
        a {quality} {thing} was held to discuss {issue}
        one in ten {victims} plays {sport}
        the smell of {food} came from the kitchen
        {plant} prices fell after a good harvest
        the {role} who owned the {household} could not be found
        its roof is made of {material} and its floor of {material}
        the log shows {code} where a date should be
        with a small radio tag one can follow the {bird} at night
        {weather} and {weather} are forecast for the coast
        Who ordered the {food} ?
        Hunt for mushrooms only with someone who knows them .
        May the best team win !
        Cook the lentils until they are soft , then add the {food} .
        Price lists are printed twice a year .
        Victory came late .
        Come in .
        Frank advice is hard to find .
        Gap years are popular with students .
        Grace under pressure is what the {role} needs .
        The answer was " {answer} " , written in pencil .
        Chapter Four : How to Choose a Good School .
        Do not use the {household} during a {event_noun} .
        Both the Deputy Mayor and the Treasurer were absent .
    """,
}

TEST = {
    "politics": """
        the row between {gov} and {gov} over {issue} has reached {capital_town}
        in a speech in {town} , {sur} called on {capital} to {to_act}
        {capital} is under pressure from {inst} to {to_act}
        {num} members of {party} , including {per} , voted with {party}
        should {sur} lose in {geo} , {party} will need a new leader
        on {weekday} the {demonym} cabinet backed the {law}
        critics of {sur} point to the rise of {party} in {town}
        {sur} 's visit to {country} has upset {gov}
        {per} , once {office} of {country} , now advises {gov}
        the posters in {town} show {sur} shaking hands with {people}
        having lost the support of {party} , {per} stepped down {after}
        {gov} and {party} blame each other
        no {demonym} leader has visited {country} since {sur} went there in {year}
        Can {sur} persuade {gov} to {to_act} ?
        What {capital} fears most is a deal between {gov} and {gov} .
    """,
    "conflict": """
        shelling near {place} forced {num} {victims} to leave {town}
        the ship was stopped by the {adj} navy in {sea} {on}
        {sur} lost a brother in the {battle}
        among the wounded were {count} {people} and {per}
        the {battle} is remembered in {town} every {month}
        a plan by {inst} to feed {town} was accepted by {gov} {on}
        {adj} and {adj} officers exchanged maps in {town}
        {people} in {geo} fear another {battle}
    """,
    "sport": """
        two goals from {sur} were not enough for {team} , who lost {win} to {team}
        {team} against {team} has been moved to {weekday}
        the new coach of {team} is {first_last} , who used to play for {team}
        no {demonym} runner has won the {contest} since {first_last} in {year}
        nothing went right for {team} at {ground} {on}
        the referee sent off {sur} of {team} and {sur} of {team}
        {first_last} , born in {town} , will row for {country} at the {contest}
        tickets for the {contest} in {town} sold out in an hour
        it took {sur} only six minutes to put {team} ahead
        {sur} 's injury is a blow to {team}
        Standings : {team} , {count} ; {team} , {count} ; {team} , {count} ; {team} , {count} .
    """,
    "business": """
        the bid by {company} for {company} failed {on}
        a fall in the price of {goods} has hurt {company} and the whole of {geo}
        under {sur} , {company} doubled its sales in {country}
        few customers of {company} have heard of {sur}
        {company} 's debt is larger than {town} 's budget
        the {adj} arm of {company} lost {money} in {year}
        what {company} did with the {product} , {company} hopes to do with the {product}
        {media} valued {company} at {money}
        it will cost {company} {money} to leave {town}
        staff at {company} learnt of the sale from {media} {on}
        from {month} , {goods} made in {town} will be sold by {company}
        to pay its debts to {inst} , {company} sold a mine in {country}
        Why did {sur} leave {company} for {company} ?
        {company} : up {decimal} percent ; {company} : down {decimal} percent .
    """,
    "science": """
        the idea came to {sur} on a walk along {river} {past}
        as part of a project paid for by {inst} , {adj} students recorded {animal} in {geo}
        few outside {lab} had heard of {per} before the {award}
        data from the {product} helped {sur} to explain {topic}
        the {vessel} will spend {month} and {month} in {sea}
        {animal} vanished from {geo} {past} but came back from {country}
        critics of {sur} say the {topic} study was paid for by {company}
        a {instrument} built in {town} is on its way to {country}
    """,
    "weather": """
        thanks to early warnings , {storm} killed nobody in {country}
        {bare_storm} turned toward {sea} {on}
        by the time {bare_storm} had passed , {town} was without water
        the school in {town} that {storm} destroyed reopened {on}
        not since {bare_storm} in {year} has {geo} seen such waves
        the rain that fell on {town} {on} came from {storm}
        the people of {town} call {bare_storm} the worst storm in memory
        a {event_noun} near {nature} cut {town} off from {town}
    """,
    "health": """
        scientists at {lab} believe {virus} reached {country} {past}
        those most at risk from {virus} are {victims} in {geo}
        {gov} banned flights from {town} over {virus}
        {first_last} , the first {demonym} patient with {virus} , has gone home
        thousands were tested for {virus} in {town} {on}
        the drug from {company} had no effect on {virus}
        the last time {virus} was seen in {geo} was in {month_year}
        the fight against {virus} , said {title_sur} , has only begun
    """,
    "culture": """
        {first_last} will read from " {work} " in {town} {soon}
        critics in {country} loathed " {work} " , but {sur} won the {award}
        this year the {festival} honors {demonym} writer {first_last}
        the last surviving copy of " {work} " belongs to {inst}
        few {people} know that " {work} " was filmed in {town}
        a model of the {vessel} stands in the {place_noun} in {town}
        {sur} , best known for " {work} " , left {country} {past}
        without {first} there would be no {festival}
        tickets to hear {first_last} at the {festival} cost {count} dollars
        {media} sent {first_last} to review " {work} "
    """,
    "life": """
        the {household} that {first} got from {sur} never worked
        every {month} {first} visits {title_sur} in {town}
        {first} used to work with {first} at {company}
        nobody at the {place_noun} had seen {first} since {weekday}
        {first} 's aunt sold {sur} 's {household} to {first}
        from our window we can see {place} and {nature}
        the twins , {first} and {first} , were born on {date_md}
        {first} makes better {food} than {first}
        Is {first} coming with us to {town} , or has {first} other plans ?
        Tell {first} that {title_sur} called from {town} at {clock} .
        {first} ? Nobody by that name works at {company} .
        Best regards to {first} , {first} and {title_sur} .
        Until {weekday} , then , at {clock} in front of {place} .
        {first} and {first} are sisters ; {first} , who is older , lives in {country} .
    """,
    "reports": """
        this study , which {inst} paid for , covers {number} homes in {towns}
        as figure {small_digit} makes clear , {country} buys {pct} of its {goods} from {country}
        the rows for {town} hold {code} instead of a date
        when asked for a middle name , {num} {people} typed {code}
        between {year} and {year} the number of {people} in {geo} fell by {pct}
        the minutes of {date_dmy} were signed by {first_last} and {sur}
        Members present : {people_list} .
        To : {first_last} ; from : {first_last} ; subject : {thing} in {town} .
        Translated for {demonym} readers by {first_last} .
        For details write to {inst} , {place} , {town} .
    """,
    "history": """
        until {year} , {place} belonged to {company}
        the letters {first_last} sent from {town} tell of the {battle}
        {per} grew rich by selling {goods} to the {people}
        the {demonym} king gave {region} to {sur} as a reward
        of the ships that left {town} in {year} , only the {vessel} reached {country}
        by {year} there were more {people} in {town} than in {town}
        the {law} of {year} split {region} in two
    """,
    "crime": """
        police believe {per} fled to {country} {on}
        the money that {sur} stole belonged to {inst}
        the trial of {per} opened in {town} {on}
        a witness saw {sur} near {place} at {clock}
        {company} knew what {sur} had done , the court in {town} heard {on}
        two {people} are wanted for robbing {company} in {geo}
    """,
    "plain": """
        the longest {thing} of the year was about {issue}
        {num} of the {victims} chose to stay in the {place_noun}
        what the {role} saw was a {event_noun}
        it is cheaper to repair a {household} than to buy one
        the walls , once of {material} , are now of {material}
        both {sport} and {sport} are played behind the {place_noun}
        a shortage of {goods} pushed prices up by {pct}
        the {animal} were counted again {when}
        the word {code} appears {number} times in the file
        in place of a name the form said " {answer} "
        without {weather} the {plant} harvest would have been better
        my mother liked {food} with {food}
        the {quality} letter to the {role} was never answered
        Can you mend a {household} ?
        What caused the {event_noun} ?
        Chase the birds away from the {plant} .
        Grant money for the {place_noun} has run out .
        Will power alone is not enough to learn {sport} .
        Shell the peas and add them to the {food} .
        Target the weak points first , the {role} said .
        Sprint to the end of the road and walk back .
        Mobile phones must be switched off during the {thing} .
        Cork and {material} are used to cover floors .
        August company , that : a {role} , a {role} and two thieves .
        Dawn came cold and grey .
        Banks will be closed {when} .
        Field work on {topic} starts {when} .
        May we see the {household} before we pay ?
        Everyone slept badly .
        Good luck !
        Try again tomorrow .
        The Head of Security told the Board that the {place_noun} was safe .
        Guide to the Care of Wooden Floors .
        All {number} rows are either {code} or {code} .
        " Could I have some more {food} ? " asked the {role} .
    """,
}

TEMPLATES = {"train": TRAIN, "validation": VALIDATION, "test": TEST}
